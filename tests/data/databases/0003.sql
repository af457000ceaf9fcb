--
-- PostgreSQL database dump
--


-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: audit_entry_refuse(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_entry_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'audit_entry is append-only'; END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: action_grant; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_grant (
    id character varying(36) NOT NULL,
    action_id character varying(36) NOT NULL,
    purpose text NOT NULL,
    covers json NOT NULL,
    granted_by character varying(128) NOT NULL,
    granted_us bigint NOT NULL,
    expires_us bigint
);


--
-- Name: action_request; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.action_request (
    id character varying(36) NOT NULL,
    dedup_key character varying(200) NOT NULL,
    kind character varying(128) NOT NULL,
    model character varying(128) NOT NULL,
    endpoint character varying(128),
    incident_id character varying(36),
    tier character varying(16) NOT NULL,
    state character varying(20) NOT NULL,
    requested_by character varying(128) NOT NULL,
    decided_by character varying(128),
    created_us bigint NOT NULL,
    decided_us bigint,
    finished_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: alert; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alert (
    id character varying(36) NOT NULL,
    dedup_key character varying(200) NOT NULL,
    kind character varying(128) NOT NULL,
    severity character varying(16) NOT NULL,
    model character varying(128),
    endpoint character varying(128),
    title text NOT NULL,
    incident_id character varying(36),
    at_us bigint NOT NULL,
    spec json NOT NULL
);


--
-- Name: api_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_key (
    id character varying(36) NOT NULL,
    name character varying(128) NOT NULL,
    role character varying(16) NOT NULL,
    key_hash character varying(64) NOT NULL,
    created_us bigint NOT NULL,
    revoked_us bigint
);


--
-- Name: audit_entry; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_entry (
    sequence bigint NOT NULL,
    id character varying(36) NOT NULL,
    at_us bigint NOT NULL,
    actor character varying(128) NOT NULL,
    action character varying(128) NOT NULL,
    subject character varying(200) NOT NULL,
    spec json NOT NULL,
    previous_hash character varying(64) NOT NULL,
    hash character varying(64) NOT NULL
);


--
-- Name: audit_head; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_head (
    id integer NOT NULL,
    sequence bigint NOT NULL,
    hash character varying(64) NOT NULL
);


--
-- Name: audit_head_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.audit_head_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: audit_head_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.audit_head_id_seq OWNED BY public.audit_head.id;


--
-- Name: check_result; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.check_result (
    id character varying(36) NOT NULL,
    run_id character varying(36) NOT NULL,
    model character varying(128) NOT NULL,
    endpoint character varying(128) NOT NULL,
    variant character varying(128) NOT NULL,
    model_version integer NOT NULL,
    monitor character varying(128) NOT NULL,
    kind character varying(128) NOT NULL,
    "column" character varying(128),
    window_start_us bigint NOT NULL,
    window_end_us bigint NOT NULL,
    value double precision,
    threshold double precision,
    effect double precision,
    verdict character varying(16) NOT NULL,
    severity character varying(16) NOT NULL,
    at_us bigint NOT NULL,
    spec json NOT NULL
);


--
-- Name: delivery; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.delivery (
    id character varying(36) NOT NULL,
    digest character varying(128) NOT NULL,
    kind character varying(16) NOT NULL,
    model character varying(128),
    endpoint character varying(128),
    source character varying(128),
    raw_path text NOT NULL,
    state character varying(16) NOT NULL,
    rows integer,
    rows_passed integer,
    rows_quarantined integer,
    received_us bigint NOT NULL,
    processed_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: endpoint; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoint (
    name character varying(128) NOT NULL,
    model character varying(128) NOT NULL,
    generation integer NOT NULL,
    updated_us bigint NOT NULL,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: endpoint_history; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoint_history (
    endpoint character varying(128) NOT NULL,
    generation integer NOT NULL,
    at_us bigint NOT NULL,
    actor character varying(128) NOT NULL,
    reason text NOT NULL,
    spec json NOT NULL,
    served_us bigint,
    rollout_id character varying(36)
);


--
-- Name: event; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event (
    "position" bigint NOT NULL,
    id character varying(36) NOT NULL,
    kind character varying(128) NOT NULL,
    aggregate character varying(200) NOT NULL,
    payload json NOT NULL,
    at_us bigint NOT NULL
);


--
-- Name: event_delivery; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_delivery (
    event_id character varying(36) NOT NULL,
    subscriber character varying(128) NOT NULL,
    aggregate character varying(200) NOT NULL,
    "position" bigint NOT NULL,
    state character varying(16) NOT NULL,
    attempts integer NOT NULL,
    available_us bigint NOT NULL,
    lease_token integer NOT NULL,
    leased_until_us bigint,
    error text
);


--
-- Name: event_position_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.event_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: event_position_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.event_position_seq OWNED BY public.event."position";


--
-- Name: feed; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.feed (
    model character varying(128) NOT NULL,
    name character varying(128) NOT NULL,
    state character varying(16) NOT NULL,
    since_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: heartbeat; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.heartbeat (
    process character varying(128) NOT NULL,
    pid integer NOT NULL,
    process_started_us bigint NOT NULL,
    beat_us bigint NOT NULL,
    spec json NOT NULL
);


--
-- Name: incident; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.incident (
    id character varying(36) NOT NULL,
    model character varying(128) NOT NULL,
    endpoint character varying(128) NOT NULL,
    state character varying(16) NOT NULL,
    diagnosis character varying(128),
    severity double precision,
    title text NOT NULL,
    opened_us bigint NOT NULL,
    closed_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: job; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.job (
    id character varying(36) NOT NULL,
    kind character varying(32) NOT NULL,
    model character varying(128) NOT NULL,
    idempotency_key character varying(200) NOT NULL,
    state character varying(16) NOT NULL,
    attempt integer NOT NULL,
    out_dir text NOT NULL,
    created_us bigint NOT NULL,
    finished_us bigint,
    error text,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: lease; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.lease (
    name character varying(128) NOT NULL,
    holder character varying(128) NOT NULL,
    token integer NOT NULL,
    until_us bigint NOT NULL
);


--
-- Name: model_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.model_version (
    id character varying(36) NOT NULL,
    model character varying(128) NOT NULL,
    number integer NOT NULL,
    digest character varying(64) NOT NULL,
    bundle_path text NOT NULL,
    state character varying(16) NOT NULL,
    algorithm character varying(128) NOT NULL,
    snapshot_id character varying(36) NOT NULL,
    job_id character varying(36) NOT NULL,
    run_id character varying(64),
    created_us bigint NOT NULL,
    decided_us bigint,
    decided_by character varying(128),
    projected_version integer NOT NULL,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: notification; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.notification (
    id character varying(36) NOT NULL,
    dedup_key character varying(200) NOT NULL,
    route character varying(128) NOT NULL,
    severity character varying(16) NOT NULL,
    model character varying(128),
    title text NOT NULL,
    body text NOT NULL,
    state character varying(16) NOT NULL,
    attempts integer NOT NULL,
    available_us bigint NOT NULL,
    at_us bigint NOT NULL,
    error text
);


--
-- Name: profile; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.profile (
    id character varying(36) NOT NULL,
    segment_id character varying(128) NOT NULL,
    endpoint character varying(128) NOT NULL,
    variant character varying(128) NOT NULL,
    model_version integer NOT NULL,
    start_us bigint NOT NULL,
    period_s integer NOT NULL,
    rows integer NOT NULL,
    payload bytea NOT NULL
);


--
-- Name: queue_message; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_message (
    "position" bigint NOT NULL,
    id character varying(36) NOT NULL,
    topic character varying(128) NOT NULL,
    dedup_key character varying(200) NOT NULL,
    body json NOT NULL,
    state character varying(16) NOT NULL,
    attempts integer NOT NULL,
    enqueued_us bigint NOT NULL,
    available_us bigint NOT NULL,
    lease_token integer NOT NULL,
    leased_until_us bigint,
    error text
);


--
-- Name: queue_message_position_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.queue_message_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: queue_message_position_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.queue_message_position_seq OWNED BY public.queue_message."position";


--
-- Name: report; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.report (
    id character varying(36) NOT NULL,
    kind character varying(24) NOT NULL,
    subject character varying(200) NOT NULL,
    path text NOT NULL,
    at_us bigint NOT NULL
);


--
-- Name: retraining_event; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.retraining_event (
    id character varying(36) NOT NULL,
    model character varying(128) NOT NULL,
    held boolean NOT NULL,
    action_id character varying(36),
    at_us bigint NOT NULL,
    spec json NOT NULL
);


--
-- Name: rollout; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rollout (
    id character varying(36) NOT NULL,
    endpoint character varying(128) NOT NULL,
    model character varying(128) NOT NULL,
    candidate integer NOT NULL,
    stable integer,
    phase character varying(24) NOT NULL,
    active boolean NOT NULL,
    action_id character varying(36),
    started_us bigint NOT NULL,
    finished_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: rollout_analysis; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rollout_analysis (
    rollout_id character varying(36) NOT NULL,
    updated_us bigint NOT NULL,
    looks integer NOT NULL,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: rollout_look; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rollout_look (
    rollout_id character varying(36) NOT NULL,
    sequence integer NOT NULL,
    at_us bigint NOT NULL,
    generation integer,
    step_index integer NOT NULL,
    phase character varying(24) NOT NULL,
    verdict character varying(16),
    spec json NOT NULL
);


--
-- Name: schedule_run; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schedule_run (
    name character varying(200) NOT NULL,
    last_us bigint NOT NULL
);


--
-- Name: snapshot; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.snapshot (
    id character varying(36) NOT NULL,
    model character varying(128) NOT NULL,
    dataset_hash character varying(64) NOT NULL,
    path text NOT NULL,
    rows integer NOT NULL,
    span_start_us bigint,
    span_end_us bigint,
    created_us bigint NOT NULL,
    spec json NOT NULL
);


--
-- Name: verification; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verification (
    id character varying(36) NOT NULL,
    action_id character varying(36) NOT NULL,
    state character varying(16) NOT NULL,
    verdict character varying(16),
    created_us bigint NOT NULL,
    finished_us bigint,
    spec json NOT NULL,
    version integer NOT NULL
);


--
-- Name: audit_head id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_head ALTER COLUMN id SET DEFAULT nextval('public.audit_head_id_seq'::regclass);


--
-- Name: event position; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event ALTER COLUMN "position" SET DEFAULT nextval('public.event_position_seq'::regclass);


--
-- Name: queue_message position; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_message ALTER COLUMN "position" SET DEFAULT nextval('public.queue_message_position_seq'::regclass);


--
-- Data for Name: action_grant; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.action_grant VALUES ('01a1ff06-094c-788d-bf14-28358f50eac4', '01a1ff06-05cb-7130-8df6-0b6059106f8a', 'retrain tiny on the data up to now, and release it if better', '["retrain","deploy"]', 'dana', 1893628800000000, 1894233600000000);


--
-- Data for Name: action_request; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.action_request VALUES ('01a1ff06-05cb-7130-8df6-0b6059106f8a', 'retrain:tiny', 'retrain', 'tiny', 'tiny', '01a1ff06-043d-7058-87c7-0a3b21a873fd', 'approval', 'succeeded', 'policy', 'dana', 1893628800000000, 1893628800000000, 1893628800000000, '{"id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","dedup_key":"retrain:tiny","kind":"retrain","model":"tiny","tier":"approval","purpose":"retrain tiny on the data up to now, and release it if better","requested_by":"policy","created_us":1893628800000000,"state":"succeeded","endpoint":"tiny","incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","covers":["deploy"],"expires_us":1893715200000000,"predicted_impact":{"metric":"accuracy","now":0.5,"expected":0.8,"higher_is_better":true,"basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there"},"params":{"reason":"the inputs have moved to where the model knows little, and its quality fell"},"reason":"Real drift is answered by retraining","policy":{"rule":"Real drift is answered by retraining","actions":["retrain"],"tier":"approval","covers":["deploy"],"reason":"Real drift is answered by retraining","asked":[{"rule":"A feed that changed its units is quarantined","matched":false,"why":"it is for unit_change; the diagnosis is covariate_drift"},{"rule":"A trigger does not retrain a model while its data are broken","matched":false,"why":"it is for proposals of trigger; the origin is incident"},{"rule":"Real drift is answered by retraining","matched":true,"why":"all of its conditions hold"}],"tiers":{"retrain":"approval"},"expires":"P1D"},"decided_by":"dana","decided_us":1893628800000000,"finished_us":1893628800000000,"outcome":"version 2 promoted: enough seen","version":4}', 4);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0003');


--
-- Data for Name: alert; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alert VALUES ('01a1ff05-fd92-762e-9990-47be4d92a843', 'delivery:01a1ff05-f80c-7197-956f-737193002553', 'rows_quarantined', 'medium', 'tiny', NULL, 'tiny: 1 of 61 rows (table) quarantined', NULL, 1893456000000000, '{"delivery_id":"01a1ff05-f80c-7197-956f-737193002553","rows":61,"reasons":{"age: above 120":1},"broken_by_source":{}}');


--
-- Data for Name: api_key; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_key VALUES ('01a1ff06-219b-7742-aa64-4c1aad392ece', 'emil', 'approver', '22ef5c420d0367e77dae88108e40b4875979960918f533563bd8eeb6aac5bbd0', 1893636000000000, NULL);


--
-- Data for Name: audit_entry; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_entry VALUES (1, '01a1ff05-f842-75c7-b656-624342459056', 1893456000000000, 'local-admin', 'delivery.accepted', 'delivery:tiny/01a1ff05-f80c-7197-956f-737193002553', '{"after":null,"before":null,"detail":{"digest":"bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028","feed":null,"file":"rows.csv"},"reason":""}', '0000000000000000000000000000000000000000000000000000000000000000', '19a7cf6098b90a74339d5d94834bd64ea1c10cc2e56ee6f30db54e0ed6112d21');
INSERT INTO public.audit_entry VALUES (2, '01a1ff05-feaf-71ca-b0ed-16f5c111ea5c', 1893456000000000, 'dana', 'rollout.started', 'rollout:tiny/01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', '{"after":null,"before":null,"detail":{"action_id":null,"candidate":1,"stable":null},"reason":""}', '19a7cf6098b90a74339d5d94834bd64ea1c10cc2e56ee6f30db54e0ed6112d21', '144c2537c99d2c295b0dcae8f0472b6d65c035b88874c9d12a091b4a542b70b3');
INSERT INTO public.audit_entry VALUES (3, '01a1ff05-ff35-7f51-a69d-5efad03f8c0d', 1893456000000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":1,"evidence":[]},"reason":"loaded on the staging endpoint"}', '144c2537c99d2c295b0dcae8f0472b6d65c035b88874c9d12a091b4a542b70b3', 'c5615111a2a042117225ad67812f242b204ef891d3e522d934210822fcf818cc');
INSERT INTO public.audit_entry VALUES (4, '01a1ff06-0178-7eb4-a739-22e209ac7788', 1893456000000000, 'conductor', 'rollout.promoted', 'rollout:tiny/01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":1,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001"}', 'c5615111a2a042117225ad67812f242b204ef891d3e522d934210822fcf818cc', '9fe5368437b1f7231844f3452406a019eb129061e558755f02b3144e9301c4f9');
INSERT INTO public.audit_entry VALUES (5, '01a1ff06-0473-7e20-a8d2-75970a702e4a', 1893628800000000, 'conductor', 'incident.opened', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', '{"after":{"state":"open","title":"tiny: data_drift of all: breach"},"before":null,"detail":{"at_us":1893628800000000,"model":"tiny","run_id":"01a1ff06-03d5-794c-9d61-4e8130f7dae3"},"reason":"data_drift of all: breach; model_quality of all: breach"}', '9fe5368437b1f7231844f3452406a019eb129061e558755f02b3144e9301c4f9', '727ac42fe58e0d62d24bdfab83c81ec28fdaa72e81fedfa9e26c0c31fbe68b98');
INSERT INTO public.audit_entry VALUES (6, '01a1ff06-0551-79c8-b462-0deb62004b67', 1893628800000000, 'conductor', 'incident.diagnosed', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', '{"after":{"diagnosis":"covariate_drift","severity":0.8095},"before":null,"detail":{},"reason":"the inputs have moved to where the model knows little, and its quality fell"}', '727ac42fe58e0d62d24bdfab83c81ec28fdaa72e81fedfa9e26c0c31fbe68b98', 'ce17b97af049d3e60dd3ee0cfa58d074132acf008da0fe63c19bf69dbb6c9bbc');
INSERT INTO public.audit_entry VALUES (7, '01a1ff06-05f2-7862-9d34-70d07e4a5bc0', 1893628800000000, 'policy', 'action.requested', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"after":{"state":"waiting_approval","tier":"approval"},"before":null,"detail":{"incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","kind":"retrain","model":"tiny","purpose":"retrain tiny on the data up to now, and release it if better","rule":"Real drift is answered by retraining"},"reason":"Real drift is answered by retraining"}', 'ce17b97af049d3e60dd3ee0cfa58d074132acf008da0fe63c19bf69dbb6c9bbc', 'c523a9d87a49eb7a57ef113962f7046fc9eae234d8cc16332189d9e0a7e934be');
INSERT INTO public.audit_entry VALUES (8, '01a1ff06-0975-753c-884f-0670edf473ea', 1893628800000000, 'dana', 'action.approved', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"after":{"state":"approved"},"before":{"state":"waiting_approval"},"detail":{"covers":["deploy"],"kind":"retrain","purpose":"retrain tiny on the data up to now, and release it if better"},"reason":"seen"}', 'c523a9d87a49eb7a57ef113962f7046fc9eae234d8cc16332189d9e0a7e934be', '22e2ab6781f912e24ccc1c89f94c1c4582d3dfd5a7a8e4f38c555f6fbc9a33a0');
INSERT INTO public.audit_entry VALUES (9, '01a1ff06-10f9-7f3e-bd21-18d5a26f405e', 1893628800000000, 'dana', 'training.requested', 'model:tiny', '{"after":null,"before":null,"detail":{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df"},"reason":""}', '22e2ab6781f912e24ccc1c89f94c1c4582d3dfd5a7a8e4f38c555f6fbc9a33a0', '93b97cfbe2857fdad8d0dfad06260140e917ea77de5852dc4935205ef3a25b46');
INSERT INTO public.audit_entry VALUES (10, '01a1ff06-1472-7ead-9a11-6775955e2f72', 1893628800000000, 'conductor', 'snapshot.made', 'snapshot:tiny/01a1ff06-142f-7006-8c07-4aaf52ce5b62', '{"after":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","recent_rows":0,"rows":60},"before":null,"detail":{"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df"},"reason":""}', '93b97cfbe2857fdad8d0dfad06260140e917ea77de5852dc4935205ef3a25b46', '8108aecc1c73f18ee4bbd5c0a4dd1314b57e0251672e828ee4d2f676664493e8');
INSERT INTO public.audit_entry VALUES (11, '01a1ff06-1630-755b-9839-039011e30292', 1893628800000000, 'conductor', 'training.succeeded', 'model:tiny', '{"after":{"algorithm":"linear","metrics":{"accuracy":0.85},"status":"succeeded"},"before":null,"detail":{"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df"},"reason":""}', '8108aecc1c73f18ee4bbd5c0a4dd1314b57e0251672e828ee4d2f676664493e8', 'ad01222796fb636ae9cdc7bd4edf1f5625fa57d7ea9fc754ac3367bd5a2c43ec');
INSERT INTO public.audit_entry VALUES (12, '01a1ff06-1704-7176-a4c4-1fdfb28077f1', 1893628800000000, 'conductor', 'version.registered', 'version:tiny/2', '{"after":{"algorithm":"linear","digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","metrics":{"accuracy":0.85}},"before":null,"detail":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df","run_id":null},"reason":""}', 'ad01222796fb636ae9cdc7bd4edf1f5625fa57d7ea9fc754ac3367bd5a2c43ec', '991b8d4580bf69869b93de1d00720d45ce2b03af899b7c1a109d29e04ed054de');
INSERT INTO public.audit_entry VALUES (13, '01a1ff06-1761-7600-a9b5-1c4782f7c92e', 1893628800000000, 'dana', 'version.approved', 'version:tiny/2', '{"after":{"state":"approved"},"before":{"state":"pending"},"detail":{},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', '991b8d4580bf69869b93de1d00720d45ce2b03af899b7c1a109d29e04ed054de', 'c229439ef6ba97fd55d6c53fa7c37c7bc8602b4524d2ca82f9c44a4b6e062006');
INSERT INTO public.audit_entry VALUES (14, '01a1ff06-17a7-7b6c-87bf-7656fe38d634', 1893628800000000, 'dana', 'rollout.started', 'rollout:tiny/01a1ff06-177f-795a-b2ca-725f573ec06f', '{"after":null,"before":null,"detail":{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","candidate":2,"stable":1},"reason":""}', 'c229439ef6ba97fd55d6c53fa7c37c7bc8602b4524d2ca82f9c44a4b6e062006', '2044e55c01d8a29f41e9e7c89c62fe86679aaba429f472b84ce71cef1e1b4677');
INSERT INTO public.audit_entry VALUES (15, '01a1ff06-18d9-7e66-be1e-704fd6ac0427', 1893628800000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1ff06-177f-795a-b2ca-725f573ec06f', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":2,"evidence":[]},"reason":"loaded on the staging endpoint"}', '2044e55c01d8a29f41e9e7c89c62fe86679aaba429f472b84ce71cef1e1b4677', '68b003faff063c58d756668df341d7a7e51aaadf5b284290e7dd6d94577d3076');
INSERT INTO public.audit_entry VALUES (16, '01a1ff06-195e-727d-a58c-0eb44e902469', 1893628800000000, 'conductor', 'rollout.canary', 'rollout:tiny/01a1ff06-177f-795a-b2ca-725f573ec06f', '{"after":{"phase":"canary","weight_pct":"20"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":2,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %"}', '68b003faff063c58d756668df341d7a7e51aaadf5b284290e7dd6d94577d3076', '60602577e6a5bfb3356ae2c5a3d6860b2a71711cd9128197f0f355b38833d26d');
INSERT INTO public.audit_entry VALUES (17, '01a1ff06-1b08-715b-a512-2e0580a454fa', 1893628800000000, 'dana', 'rollout.promoted', 'rollout:tiny/01a1ff06-177f-795a-b2ca-725f573ec06f', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"canary","weight_pct":"20"},"detail":{"candidate":2,"evidence":[]},"reason":"enough seen"}', '60602577e6a5bfb3356ae2c5a3d6860b2a71711cd9128197f0f355b38833d26d', 'd09417a31ba6852e25dbf919d34a5d23f61955cccf85f2d858baab79a485b36a');
INSERT INTO public.audit_entry VALUES (18, '01a1ff06-1c05-7f3e-99b5-5cb9f97e67df', 1893628800000000, 'conductor', 'action.succeeded', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"after":null,"before":null,"detail":{"incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","kind":"retrain","model":"tiny"},"reason":"version 2 promoted: enough seen"}', 'd09417a31ba6852e25dbf919d34a5d23f61955cccf85f2d858baab79a485b36a', '4f55f3a2311842d346d178360cafc6356c192a45019a291c70778e5b5c1f877e');
INSERT INTO public.audit_entry VALUES (19, '01a1ff06-1fa0-7c59-9108-2aff67d51146', 1893636000000000, 'conductor', 'incident.recovered', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', '{"after":{"state":"resolved","title":"tiny: covariate drift"},"before":null,"detail":{"at_us":1893636000000000,"model":"tiny","run_id":"01a1ff06-1f75-7f1b-a3ea-3bb9f6dbf05d"},"reason":"all of 2 breaches are ok in a later window"}', '4f55f3a2311842d346d178360cafc6356c192a45019a291c70778e5b5c1f877e', 'af769ecbd58676bc340a05b12c19abbf053d5f3ad0e80c2668969d0f242f8463');
INSERT INTO public.audit_entry VALUES (20, '01a1ff06-2028-7be5-96f6-7f0bd040ed2a', 1893636000000000, 'conductor', 'action.verified', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"after":{"data_drift":0.6,"model_quality of accuracy":0.82},"before":{"data_drift":0.6,"model_quality of accuracy":0.5},"detail":{"verdict":"ok"},"reason":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}', 'af769ecbd58676bc340a05b12c19abbf053d5f3ad0e80c2668969d0f242f8463', '04127e64b166e648c00d34d212daeda38ba161414cdb2a2e7908ff8dc8ba53b1');


--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_head VALUES (1, 20, '04127e64b166e648c00d34d212daeda38ba161414cdb2a2e7908ff8dc8ba53b1');


--
-- Data for Name: check_result; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.check_result VALUES ('01a1ff06-03d7-76e2-93e2-43cb47313fb3', '01a1ff06-03d5-794c-9d61-4e8130f7dae3', 'tiny', 'tiny', 'v1', 1, 'data_drift', 'data_drift', NULL, 1893625200000000, 1893628800000000, 0.6, 0.2, 0.6, 'breach', 'high', 1893628800000000, '{"explanation":"data_drift of all: breach","detail":{}}');
INSERT INTO public.check_result VALUES ('01a1ff06-03d7-76e2-93e2-43cb47313fb4', '01a1ff06-03d5-794c-9d61-4e8130f7dae3', 'tiny', 'tiny', 'v1', 1, 'model_quality', 'model_quality', NULL, 1893625200000000, 1893628800000000, 0.5, 0.2, 0.5, 'breach', 'high', 1893628800000000, '{"explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}');
INSERT INTO public.check_result VALUES ('01a1ff06-1f77-72e6-a2f7-05ed04f7b06a', '01a1ff06-1f75-7f1b-a3ea-3bb9f6dbf05d', 'tiny', 'tiny', 'v2', 2, 'data_drift', 'data_drift', NULL, 1893632400000000, 1893636000000000, 0.6, 0.2, 0.6, 'ok', 'high', 1893636000000000, '{"explanation":"data_drift of all: ok","detail":{}}');
INSERT INTO public.check_result VALUES ('01a1ff06-1f77-72e6-a2f7-05ed04f7b06b', '01a1ff06-1f75-7f1b-a3ea-3bb9f6dbf05d', 'tiny', 'tiny', 'v2', 2, 'model_quality', 'model_quality', NULL, 1893632400000000, 1893636000000000, 0.82, 0.2, 0.82, 'ok', 'high', 1893636000000000, '{"explanation":"model_quality of all: ok","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}');


--
-- Data for Name: delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.delivery VALUES ('01a1ff05-f80c-7197-956f-737193002553', 'tiny:bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028', 'table', 'tiny', NULL, NULL, 'raw/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.csv', 'processed', 61, 60, 1, 1893456000000000, 1893456000000000, '{"name":"rows.csv","reasons":{"age: above 120":1},"remedies":{"age: above 120":"first in row 61 (age: 999 is above 120); correct it, or widen min and max in contract.yaml"},"broken_by_source":{},"span_us":null,"quarantine_path":"quarantine/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.parquet","error":null}', 2);


--
-- Data for Name: endpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint VALUES ('tiny-staging', 'tiny', 4, 1893628800000000, '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 4);
INSERT INTO public.endpoint VALUES ('tiny', 'tiny', 3, 1893628800000000, '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","bundle_digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 3);


--
-- Data for Name: endpoint_history; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint_history VALUES ('tiny-staging', 1, 1893456000000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ff05-fe84-7c9a-b1c0-56b4d502eedf');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 2, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001', '{"schema_version":1,"endpoint":"tiny-staging","generation":2,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ff05-fe84-7c9a-b1c0-56b4d502eedf');
INSERT INTO public.endpoint_history VALUES ('tiny', 1, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001', '{"schema_version":1,"endpoint":"tiny","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ff05-fe84-7c9a-b1c0-56b4d502eedf');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 3, 1893628800000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","bundle_digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ff06-177f-795a-b2ca-725f573ec06f');
INSERT INTO public.endpoint_history VALUES ('tiny', 2, 1893628800000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %', '{"schema_version":1,"endpoint":"tiny","generation":2,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023","weight_pct":"80","role":"live"},{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","bundle_digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","weight_pct":"20","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ff06-177f-795a-b2ca-725f573ec06f');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 4, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ff06-177f-795a-b2ca-725f573ec06f');
INSERT INTO public.endpoint_history VALUES ('tiny', 3, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","bundle_digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ff06-177f-795a-b2ca-725f573ec06f');


--
-- Data for Name: event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event VALUES (1, '01a1ff05-fd9d-7e68-ba4a-71d022ef1ff6', 'alert.raised', 'model:tiny', '{"alert_id":"01a1ff05-fd92-762e-9990-47be4d92a843","model":"tiny","title":"tiny: 1 of 61 rows (table) quarantined","severity":"medium","reasons":{"age: above 120":1}}', 1893456000000000);
INSERT INTO public.event VALUES (2, '01a1ff05-ff29-7324-9578-4bac1164547c', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ff05-fe84-7c9a-b1c0-56b4d502eedf","model":"tiny","phase":"smoke"}', 1893456000000000);
INSERT INTO public.event VALUES (3, '01a1ff06-0174-7c0a-a290-5f59eb939175', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1ff05-fe84-7c9a-b1c0-56b4d502eedf","model":"tiny","phase":"promoted"}', 1893456000000000);
INSERT INTO public.event VALUES (4, '01a1ff06-03bd-713d-80cb-0bd5b4bf583f', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":1}', 1893456000000000);
INSERT INTO public.event VALUES (5, '01a1ff06-03d9-7bba-a31d-4bbd0e49ff47', 'checks.completed', 'model:tiny', '{"run_id":"01a1ff06-03d5-794c-9d61-4e8130f7dae3","model":"tiny","endpoint":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (6, '01a1ff06-0465-7788-94f4-20f432b3c797', 'incident.opened', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', '{"incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","model":"tiny","run_id":"01a1ff06-03d5-794c-9d61-4e8130f7dae3","at_us":1893628800000000}', 1893628800000000);
INSERT INTO public.event VALUES (7, '01a1ff06-05e4-79ed-86cd-1d38f411f729', 'action.waiting', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","model":"tiny","incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd"}', 1893628800000000);
INSERT INTO public.event VALUES (8, '01a1ff06-095f-7057-b9ce-0c93c04664d3', 'action.approved', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","model":"tiny","incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd"}', 1893628800000000);
INSERT INTO public.event VALUES (9, '01a1ff06-10ef-7ad4-b8ee-219bc17af8b1', 'training.requested', 'model:tiny', '{"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df","model":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (10, '01a1ff06-161f-7184-97c6-685482fdb28a', 'job.finished', 'model:tiny', '{"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (11, '01a1ff06-16fa-75d4-bcd2-5f6ddbe0a022', 'version.registered', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (12, '01a1ff06-174f-7552-836f-77033988d9ca', 'version.decided', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (13, '01a1ff06-18c8-7c31-8c3c-173d9af9d915', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ff06-177f-795a-b2ca-725f573ec06f","model":"tiny","phase":"smoke"}', 1893628800000000);
INSERT INTO public.event VALUES (14, '01a1ff06-195d-7d8d-9302-7a5fd35d1870', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ff06-177f-795a-b2ca-725f573ec06f","model":"tiny","phase":"canary"}', 1893628800000000);
INSERT INTO public.event VALUES (15, '01a1ff06-1a0d-7ad8-8588-4de4d389eb39', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":2}', 1893628800000000);
INSERT INTO public.event VALUES (16, '01a1ff06-1afd-74d6-b559-7b7d8c4822a8', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1ff06-177f-795a-b2ca-725f573ec06f","model":"tiny","phase":"promoted"}', 1893628800000000);
INSERT INTO public.event VALUES (17, '01a1ff06-1b4e-7be6-bfbe-2cf13e6d7fd7', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":3}', 1893628800000000);
INSERT INTO public.event VALUES (18, '01a1ff06-1bfa-7f53-bc4a-7e65961d2c15', 'action.finished', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","model":"tiny","incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (19, '01a1ff06-1f79-70c8-8aef-40b5b60891d3', 'checks.completed', 'model:tiny', '{"run_id":"01a1ff06-1f75-7f1b-a3ea-3bb9f6dbf05d","model":"tiny","endpoint":"tiny"}', 1893636000000000);
INSERT INTO public.event VALUES (20, '01a1ff06-1f9c-770b-b4e2-02bb1a02022e', 'incident.recovered', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', '{"incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd","model":"tiny","run_id":"01a1ff06-1f75-7f1b-a3ea-3bb9f6dbf05d","at_us":1893636000000000}', 1893636000000000);
INSERT INTO public.event VALUES (21, '01a1ff06-201f-7b46-aeee-64ec2e95ad2e', 'action.verified', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', '{"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","model":"tiny","incident_id":"01a1ff06-043d-7058-87c7-0a3b21a873fd"}', 1893636000000000);


--
-- Data for Name: event_delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event_delivery VALUES ('01a1ff05-ff29-7324-9578-4bac1164547c', 'projection', 'model:tiny', 2, 'pending', 0, 1795279945513170, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f79-70c8-8aef-40b5b60891d3', 'verification', 'model:tiny', 19, 'done', 1, 1795279953785383, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff05-fd9d-7e68-ba4a-71d022ef1ff6', 'messages', 'model:tiny', 1, 'done', 1, 1795279945117131, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-0174-7c0a-a290-5f59eb939175', 'projection', 'model:tiny', 3, 'pending', 0, 1795279946100055, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-0174-7c0a-a290-5f59eb939175', 'rollouts', 'model:tiny', 3, 'done', 1, 1795279946100055, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-0174-7c0a-a290-5f59eb939175', 'evidence', 'model:tiny', 3, 'done', 1, 1795279946100055, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-03bd-713d-80cb-0bd5b4bf583f', 'projection', 'model:tiny', 4, 'pending', 0, 1795279946685720, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1afd-74d6-b559-7b7d8c4822a8', 'rollouts', 'model:tiny', 16, 'done', 1, 1795279952637923, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-03d9-7bba-a31d-4bbd0e49ff47', 'incidents', 'model:tiny', 5, 'done', 1, 1795279946713498, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-0465-7788-94f4-20f432b3c797', 'remediation', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', 6, 'done', 1, 1795279946853469, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1bfa-7f53-bc4a-7e65961d2c15', 'messages', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 18, 'done', 1, 1795279952890794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-03d9-7bba-a31d-4bbd0e49ff47', 'triggers', 'model:tiny', 5, 'done', 1, 1795279946713498, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f9c-770b-b4e2-02bb1a02022e', 'messages', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', 20, 'done', 1, 1795279953821017, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-03d9-7bba-a31d-4bbd0e49ff47', 'verification', 'model:tiny', 5, 'done', 1, 1795279946713498, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1afd-74d6-b559-7b7d8c4822a8', 'evidence', 'model:tiny', 16, 'done', 1, 1795279952637923, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-0465-7788-94f4-20f432b3c797', 'messages', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', 6, 'done', 1, 1795279946853469, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-05e4-79ed-86cd-1d38f411f729', 'messages', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 7, 'done', 1, 1795279947236225, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1bfa-7f53-bc4a-7e65961d2c15', 'evidence', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 18, 'done', 1, 1795279952890794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-095f-7057-b9ce-0c93c04664d3', 'actions', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 8, 'done', 1, 1795279948127577, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-10ef-7ad4-b8ee-219bc17af8b1', 'trainings', 'model:tiny', 9, 'done', 1, 1795279950063137, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-16fa-75d4-bcd2-5f6ddbe0a022', 'projection', 'model:tiny', 11, 'pending', 0, 1795279951610622, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-174f-7552-836f-77033988d9ca', 'projection', 'model:tiny', 12, 'pending', 0, 1795279951695759, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-161f-7184-97c6-685482fdb28a', 'adoption', 'model:tiny', 10, 'done', 1, 1795279951391720, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-16fa-75d4-bcd2-5f6ddbe0a022', 'messages', 'model:tiny', 11, 'done', 1, 1795279951610622, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-18c8-7c31-8c3c-173d9af9d915', 'projection', 'model:tiny', 13, 'pending', 0, 1795279952073027, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-195d-7d8d-9302-7a5fd35d1870', 'projection', 'model:tiny', 14, 'pending', 0, 1795279952221127, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1a0d-7ad8-8588-4de4d389eb39', 'projection', 'model:tiny', 15, 'pending', 0, 1795279952397301, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1afd-74d6-b559-7b7d8c4822a8', 'projection', 'model:tiny', 16, 'pending', 0, 1795279952637923, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1b4e-7be6-bfbe-2cf13e6d7fd7', 'projection', 'model:tiny', 17, 'pending', 0, 1795279952718602, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f9c-770b-b4e2-02bb1a02022e', 'evidence', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', 20, 'done', 1, 1795279953821017, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f79-70c8-8aef-40b5b60891d3', 'incidents', 'model:tiny', 19, 'done', 1, 1795279953785383, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f9c-770b-b4e2-02bb1a02022e', 'remediation', 'incident:01a1ff06-043d-7058-87c7-0a3b21a873fd', 20, 'done', 1, 1795279953821017, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-201f-7b46-aeee-64ec2e95ad2e', 'evidence', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 21, 'done', 1, 1795279953951842, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ff06-1f79-70c8-8aef-40b5b60891d3', 'triggers', 'model:tiny', 19, 'done', 1, 1795279953785383, 1, NULL, NULL);


--
-- Data for Name: feed; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.feed VALUES ('tiny', 'clinic', 'open', NULL, '{"intervals":[{"since_us":1893636000000000,"until_us":1893636000000001,"reason":"mg became g"}],"changed_us":1893636000000000}', 2);


--
-- Data for Name: heartbeat; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.heartbeat VALUES ('control-plane', 24617, 1795279954422040, 1795279954422060, '{"start_ticks":5028223}');


--
-- Data for Name: incident; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.incident VALUES ('01a1ff06-043d-7058-87c7-0a3b21a873fd', 'tiny', 'tiny', 'resolved', 'covariate_drift', 0.8095, 'tiny: covariate drift', 1893628800000000, 1893636000000000, '{"signals":[{"first_us":1893625200000000,"check":{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{}},"recovered_us":1893636000000000},{"first_us":1893625200000000,"check":{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}},"recovered_us":1893636000000000}],"alerts":[],"timeline":[{"at_us":1893628800000000,"actor":"trimtab","what":"opened","why":"data_drift of all: breach; model_quality of all: breach"},{"at_us":1893628800000000,"actor":"trimtab","what":"diagnosed: covariate drift","why":"the inputs have moved to where the model knows little, and its quality fell"},{"at_us":1893628800000000,"actor":"trimtab","what":"policy: retrain (approval)","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain approved by dana","why":"seen"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain: started","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"version 2 is rolled out","why":"accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"},{"at_us":1893628800000000,"actor":"trimtab","what":"rollout of version 2: promoted","why":"enough seen"},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: data_drift","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: model_quality of accuracy","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"recovered","why":"all of 2 breaches are ok in a later window"},{"at_us":1893636000000000,"actor":"trimtab","what":"verified: ok","why":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}],"diagnosis":{"kind":"covariate_drift","severity":0.8095,"parts":[{"name":"loudness","weight":0.4,"value":0.6666666666666666,"why":"data_drift is of severity high"},{"name":"excess","weight":0.3,"value":1.0,"why":"data_drift: 0.6 against 0.2"}],"columns":[],"factor":null,"since_us":1893625200000000,"evidence_for":["model_quality of all: breach","the inputs as a whole have drifted"],"evidence_against":[],"explanation":"the inputs have moved to where the model knows little, and its quality fell"}}', 9);


--
-- Data for Name: job; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.job VALUES ('j1', 'training', 'tiny', 'j1', 'succeeded', 1, 'x', 0, NULL, NULL, '{}', 1);
INSERT INTO public.job VALUES ('01a1ff06-10ea-7fc9-827f-287c2f2344df', 'training', 'tiny', 'action:01a1ff06-05cb-7130-8df6-0b6059106f8a', 'succeeded', 1, '/tmp/tmpo5pf18cr/server/project/.trimtab/jobs/01a1ff06-10ea-7fc9-827f-287c2f2344df', 1893628800000000, 1893628800000000, NULL, '{"until_us":null,"action_id":"01a1ff06-05cb-7130-8df6-0b6059106f8a","asked_by":"dana","request":{"schema_version":1,"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df","model":{"name":"tiny","description":"","task":"binary","answers":"realtime","target":"disease","positive_class":"yes","key":"row_id","time":null,"time_features":false,"ignore":[],"label_delay":"0s","metrics":["accuracy","f1"],"primary_metric":null,"feeds":{"clinic":{"owner":"the clinic''s data desk","notify":null}},"costs":{"retrain":0.0}},"contract":{"columns":{"row_id":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":null,"format":null,"missing":[]},"age":{"type":"number","description":"","unit":null,"nullable":false,"min":0.0,"max":120.0,"values":null,"format":null,"missing":[]},"chol":{"type":"number","description":"","unit":null,"nullable":true,"min":80.0,"max":700.0,"values":null,"format":null,"missing":[]},"sex":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["female","male"],"format":null,"missing":[]},"disease":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["yes","no"],"format":null,"missing":[]}},"encoding":"utf-8","unique":["row_id"],"allow_extra_columns":false,"row_count":{"min":1,"max":null}},"training":{"split":{"type":"stratified","test_share":0.25,"refit":false},"cross_validation":null,"candidates":[{"type":"logistic_regression","trials":null,"space":{}}],"trials":1,"trial_timeout":"10m","time_limit":"6h","prune":true,"tuning_rows":50000,"class_balance":"auto","calibration":"auto","decision_threshold":null,"lookback":null,"target_transform":"none","gates":{},"parity_tolerance":0.0001,"golden_rows":64,"max_categories":100,"max_terms":2000,"explain_rows":500,"cache":true,"reference_blocks":12,"workers":1,"seed":42},"snapshot_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/lake/snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet","snapshot_id":"01a1ff06-142f-7006-8c07-4aaf52ce5b62","dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","mlflow_uri":"sqlite:////tmp/tmpo5pf18cr/server/project/.trimtab/mlflow.db","mlflow_artifacts":"/tmp/tmpo5pf18cr/server/project/.trimtab/mlflow-artifacts","experiment":"tiny/tiny","out_dir":"/tmp/tmpo5pf18cr/server/project/.trimtab/jobs/01a1ff06-10ea-7fc9-827f-287c2f2344df","git_commit":null,"compare_with":null,"compare_digest":null,"compare_rows_path":null,"time_limit_s":21600.0,"cache_dir":"/tmp/tmpo5pf18cr/server/project/.trimtab/cache/training"},"result":{"schema_version":1,"job_id":"01a1ff06-10ea-7fc9-827f-287c2f2344df","status":"succeeded","bundle_dir":"/tmp/tmpo5pf18cr/server/project/.trimtab/jobs/01a1ff06-10ea-7fc9-827f-287c2f2344df/bundle","digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","algorithm":"linear","run_id":null,"metrics":{"accuracy":0.85},"gates":[],"candidates":[],"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"steps":[],"pipeline":null,"rows":100,"notes":[],"error":null,"seconds":0.0},"version_number":2}', 4);


--
-- Data for Name: lease; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.lease VALUES ('lane:data', 'host.invalid:1:kept', 1, 1795279962359982);


--
-- Data for Name: model_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.model_version VALUES ('01a1ff05-fe19-7d34-b947-6888cd2bb3e0', 'tiny', 1, '9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023', '/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1', 'approved', 'linear', 's1', 'j1', NULL, 1893456000000000, 1893456000000000, 'dana', 0, '{"metrics":{"accuracy":0.8},"reason":""}', 2);
INSERT INTO public.model_version VALUES ('01a1ff06-16ed-7b19-bda9-089dd60dccce', 'tiny', 2, 'd6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a', '/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a', 'approved', 'linear', '01a1ff06-142f-7006-8c07-4aaf52ce5b62', '01a1ff06-10ea-7fc9-827f-287c2f2344df', NULL, 1893628800000000, 1893628800000000, 'dana', 0, '{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","git_commit":null,"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"metrics":{"accuracy":0.85},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 2);


--
-- Data for Name: notification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.notification VALUES ('01a1ff05-fffb-76ad-8152-1ad018e5d2a8', 'on-call:event:01a1ff05-fd9d-7e68-ba4a-71d022ef1ff6', 'on-call', 'medium', 'tiny', 'tiny: 1 of 61 rows (table) quarantined', '1 × age: above 120', 'pending', 0, 0, 1893456000000000, NULL);
INSERT INTO public.notification VALUES ('01a1ff06-07b9-70e9-8492-69acd551cd41', 'on-call:event:01a1ff06-0465-7788-94f4-20f432b3c797', 'on-call', 'high', 'tiny', 'incident opened: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ff06-0857-7a9d-872c-776aa651d684', 'on-call:event:01a1ff06-05e4-79ed-86cd-1d38f411f729', 'on-call', 'high', 'tiny', 'tiny: approval wanted: retrain tiny on the data up to now, and release it if better', 'Real drift is answered by retraining
trimtab approvals approve 01a1ff06-05cb-7130-8df6-0b6059106f8a', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ff06-1801-7537-9c41-62e67cc48ae9', 'on-call:event:01a1ff06-16fa-75d4-bcd2-5f6ddbe0a022', 'on-call', 'low', 'tiny', 'tiny: version 2 waits for approval', 'trimtab versions approve tiny@2', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ff06-1c79-7ec0-a349-0219b1722968', 'on-call:event:01a1ff06-1bfa-7f53-bc4a-7e65961d2c15', 'on-call', 'low', 'tiny', 'tiny: retrain succeeded', 'version 2 promoted: enough seen', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ff06-205b-7caf-82bb-71da7ee205f2', 'on-call:event:01a1ff06-1f9c-770b-b4e2-02bb1a02022e', 'on-call', 'low', 'tiny', 'incident recovered: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893636000000000, NULL);


--
-- Data for Name: profile; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.profile VALUES ('01a1ff06-21b2-7ce2-9337-7c63edc12046', 'segment-1', 'tiny', 'v2', 2, 1893636000000000, 60, 3, '\x54545001920382a361676597a16e020100cb4046800000000000cb4049000000000000c43805010f0000080800020000000000000000080100fe0700000000000000004440000000000000494000000000000049400000000000004440a373657895a16303000082a666656d616c6501a46d616c6502');


--
-- Data for Name: queue_message; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.queue_message VALUES (1, '01a1ff05-f874-77b6-a821-37a0d051b26c', 'ingest', '01a1ff05-f80c-7197-956f-737193002553:1', '{"delivery_id":"01a1ff05-f80c-7197-956f-737193002553"}', 'done', 1, 1795279943781651, 1795279943781651, 1, NULL, NULL);


--
-- Data for Name: report; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.report VALUES ('01a1ff06-02de-7f3a-a2a0-0f1b3e6402ae', 'deployment', '01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', '/tmp/tmpo5pf18cr/server/project/.trimtab/reports/deployment/01a1ff05-fe84-7c9a-b1c0-56b4d502eedf.html', 1893456000000000);
INSERT INTO public.report VALUES ('01a1ff06-1da5-7190-b55e-6fd30f9513d6', 'deployment', '01a1ff06-177f-795a-b2ca-725f573ec06f', '/tmp/tmpo5pf18cr/server/project/.trimtab/reports/deployment/01a1ff06-177f-795a-b2ca-725f573ec06f.html', 1893628800000000);
INSERT INTO public.report VALUES ('01a1ff06-1eee-7498-bf0f-1bf4c1317c95', 'incident', '01a1ff06-043d-7058-87c7-0a3b21a873fd', '/tmp/tmpo5pf18cr/server/project/.trimtab/reports/incident/01a1ff06-043d-7058-87c7-0a3b21a873fd.html', 1893636000000000);


--
-- Data for Name: retraining_event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.retraining_event VALUES ('01a1ff06-070a-7824-8da9-4234a8ef793d', 'tiny', false, NULL, 1893628800000000, '{"reason":"no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"no column''s drift could be judged","value":null,"limit":"30%","children":[]},"refused":null}');
INSERT INTO public.retraining_event VALUES ('01a1ff06-2001-774d-b32a-762640eeceea', 'tiny', false, NULL, 1893636000000000, '{"reason":"no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"no column''s drift could be judged","value":null,"limit":"30%","children":[]},"refused":null}');


--
-- Data for Name: rollout; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout VALUES ('01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', 'tiny', 'tiny', 1, NULL, 'promoted', false, NULL, 1893456000000000, 1893456000000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":1,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023"},"stable":null,"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"log":[{"at_us":1893456000000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893456000000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":null},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893456000000000,"actor":"conductor","from":"smoke","to":"promoted","state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}],"last":{"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}],"at_us":1893456000000000}}', 3);
INSERT INTO public.rollout VALUES ('01a1ff06-177f-795a-b2ca-725f573ec06f', 'tiny', 'tiny', 2, 1, 'promoted', false, '01a1ff06-05cb-7130-8df6-0b6059106f8a', 1893628800000000, 1893628800000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":2,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a","bundle_digest":"d6ce9ff7840db1b0c38a539f246bf42fea5ce9cd4c87550d6da486afba95535a"},"stable":{"number":1,"bundle_path":"/tmp/tmpo5pf18cr/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"9ef1514f9949a9cad0d3d93dae1cbf52650672233227adb8b00fccc39e004023"},"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"log":[{"at_us":1893628800000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893628800000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":1},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893628800000000,"actor":"conductor","from":"smoke","to":"canary","state":{"phase":"canary","since_us":1893628800000000,"step_index":0,"weight_pct":"20","resumes_to":null,"generation":null},"weights":{"v1":"80","v2":"20"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]},{"at_us":1893628800000000,"actor":"dana","from":"canary","to":"promoted","state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[],"at_us":1893628800000000}}', 5);


--
-- Data for Name: rollout_analysis; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_analysis VALUES ('01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', 1893456000000000, 2, '{"counts":{"after_generation":0,"seen":[],"sticky":false,"segments":[]},"labels":{"after_generation":0,"labelled_us":0,"answered_us":0},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]}},"looks":null,"news":[]}', 2);
INSERT INTO public.rollout_analysis VALUES ('01a1ff06-177f-795a-b2ca-725f573ec06f', 1893628800000000, 2, '{"counts":{"after_generation":1,"seen":[],"sticky":false,"segments":[]},"labels":{"after_generation":1,"labelled_us":0,"answered_us":0},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]}},"looks":null,"news":[]}', 2);


--
-- Data for Name: rollout_look; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_look VALUES ('01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', 1, 1893456000000000, NULL, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a1ff05-fe84-7c9a-b1c0-56b4d502eedf', 2, 1893456000000000, NULL, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');
INSERT INTO public.rollout_look VALUES ('01a1ff06-177f-795a-b2ca-725f573ec06f', 1, 1893628800000000, 1, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a1ff06-177f-795a-b2ca-725f573ec06f', 2, 1893628800000000, 1, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');


--
-- Data for Name: schedule_run; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.schedule_run VALUES ('monitors:tiny', 1893636000000000);


--
-- Data for Name: snapshot; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.snapshot VALUES ('s1', 'tiny', 'dddddddddddddddddddddddddddddddd', 'x', 1, NULL, NULL, 0, '{}');
INSERT INTO public.snapshot VALUES ('01a1ff06-142f-7006-8c07-4aaf52ce5b62', 'tiny', '29eca1f87641690c304b955105498c92.dir', 'snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet', 60, NULL, NULL, 1893628800000000, '{"recent_rows":0,"delivered_rows":60,"production_rows":0,"deliveries":["bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028"],"endpoint":"tiny","until_us":null,"contract":{"digest":"d509738101b3583c1bc0de5f374107faa6778d2024a92b8af4c9fccc3e172f95","left_out":0,"repeated":0,"quarantined_feed":0}}');


--
-- Data for Name: verification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.verification VALUES ('01a1ff06-1c1d-7c12-a141-66a65353aafc', '01a1ff06-05cb-7130-8df6-0b6059106f8a', 'done', 'ok', 1893628800000000, 1893636000000000, '{"params":{"version":2,"before":[{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{}},{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}]},"result":{"verdict":"ok","explanation":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0","before":{"data_drift":0.6,"model_quality of accuracy":0.5},"after":{"data_drift":0.6,"model_quality of accuracy":0.82}}}', 2);


--
-- Name: audit_head_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audit_head_id_seq', 1, false);


--
-- Name: event_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.event_position_seq', 21, true);


--
-- Name: queue_message_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.queue_message_position_seq', 1, true);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: action_grant pk_action_grant; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_grant
    ADD CONSTRAINT pk_action_grant PRIMARY KEY (id);


--
-- Name: action_request pk_action_request; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_request
    ADD CONSTRAINT pk_action_request PRIMARY KEY (id);


--
-- Name: alert pk_alert; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT pk_alert PRIMARY KEY (id);


--
-- Name: api_key pk_api_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT pk_api_key PRIMARY KEY (id);


--
-- Name: audit_entry pk_audit_entry; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT pk_audit_entry PRIMARY KEY (sequence);


--
-- Name: audit_head pk_audit_head; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT pk_audit_head PRIMARY KEY (id);


--
-- Name: check_result pk_check_result; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.check_result
    ADD CONSTRAINT pk_check_result PRIMARY KEY (id);


--
-- Name: delivery pk_delivery; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT pk_delivery PRIMARY KEY (id);


--
-- Name: endpoint pk_endpoint; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint
    ADD CONSTRAINT pk_endpoint PRIMARY KEY (name);


--
-- Name: endpoint_history pk_endpoint_history; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_history
    ADD CONSTRAINT pk_endpoint_history PRIMARY KEY (endpoint, generation);


--
-- Name: event pk_event; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event
    ADD CONSTRAINT pk_event PRIMARY KEY ("position");


--
-- Name: event_delivery pk_event_delivery; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_delivery
    ADD CONSTRAINT pk_event_delivery PRIMARY KEY (event_id, subscriber);


--
-- Name: feed pk_feed; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.feed
    ADD CONSTRAINT pk_feed PRIMARY KEY (model, name);


--
-- Name: heartbeat pk_heartbeat; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.heartbeat
    ADD CONSTRAINT pk_heartbeat PRIMARY KEY (process);


--
-- Name: incident pk_incident; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.incident
    ADD CONSTRAINT pk_incident PRIMARY KEY (id);


--
-- Name: job pk_job; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);


--
-- Name: lease pk_lease; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT pk_lease PRIMARY KEY (name);


--
-- Name: model_version pk_model_version; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT pk_model_version PRIMARY KEY (id);


--
-- Name: notification pk_notification; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notification
    ADD CONSTRAINT pk_notification PRIMARY KEY (id);


--
-- Name: profile pk_profile; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.profile
    ADD CONSTRAINT pk_profile PRIMARY KEY (id);


--
-- Name: queue_message pk_queue_message; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_message
    ADD CONSTRAINT pk_queue_message PRIMARY KEY ("position");


--
-- Name: report pk_report; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.report
    ADD CONSTRAINT pk_report PRIMARY KEY (id);


--
-- Name: retraining_event pk_retraining_event; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retraining_event
    ADD CONSTRAINT pk_retraining_event PRIMARY KEY (id);


--
-- Name: rollout pk_rollout; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollout
    ADD CONSTRAINT pk_rollout PRIMARY KEY (id);


--
-- Name: rollout_analysis pk_rollout_analysis; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollout_analysis
    ADD CONSTRAINT pk_rollout_analysis PRIMARY KEY (rollout_id);


--
-- Name: rollout_look pk_rollout_look; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollout_look
    ADD CONSTRAINT pk_rollout_look PRIMARY KEY (rollout_id, sequence);


--
-- Name: schedule_run pk_schedule_run; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedule_run
    ADD CONSTRAINT pk_schedule_run PRIMARY KEY (name);


--
-- Name: snapshot pk_snapshot; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.snapshot
    ADD CONSTRAINT pk_snapshot PRIMARY KEY (id);


--
-- Name: verification pk_verification; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT pk_verification PRIMARY KEY (id);


--
-- Name: action_grant uq_action_grant_action_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_grant
    ADD CONSTRAINT uq_action_grant_action_id UNIQUE (action_id);


--
-- Name: alert uq_alert_dedup_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT uq_alert_dedup_key UNIQUE (dedup_key);


--
-- Name: api_key uq_api_key_key_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT uq_api_key_key_hash UNIQUE (key_hash);


--
-- Name: api_key uq_api_key_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT uq_api_key_name UNIQUE (name);


--
-- Name: audit_entry uq_audit_entry_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT uq_audit_entry_hash UNIQUE (hash);


--
-- Name: audit_entry uq_audit_entry_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT uq_audit_entry_id UNIQUE (id);


--
-- Name: check_result uq_check_result_run_id_monitor_variant_model_version_co_63f5; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.check_result
    ADD CONSTRAINT uq_check_result_run_id_monitor_variant_model_version_co_63f5 UNIQUE (run_id, monitor, variant, model_version, "column", kind);


--
-- Name: delivery uq_delivery_digest; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT uq_delivery_digest UNIQUE (digest);


--
-- Name: event uq_event_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event
    ADD CONSTRAINT uq_event_id UNIQUE (id);


--
-- Name: job uq_job_idempotency_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job
    ADD CONSTRAINT uq_job_idempotency_key UNIQUE (idempotency_key);


--
-- Name: model_version uq_model_version_job_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT uq_model_version_job_id UNIQUE (job_id);


--
-- Name: model_version uq_model_version_model_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT uq_model_version_model_number UNIQUE (model, number);


--
-- Name: notification uq_notification_dedup_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notification
    ADD CONSTRAINT uq_notification_dedup_key UNIQUE (dedup_key);


--
-- Name: profile uq_profile_segment_id_endpoint_variant_model_version_start_us; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.profile
    ADD CONSTRAINT uq_profile_segment_id_endpoint_variant_model_version_start_us UNIQUE (segment_id, endpoint, variant, model_version, start_us);


--
-- Name: queue_message uq_queue_message_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_message
    ADD CONSTRAINT uq_queue_message_id UNIQUE (id);


--
-- Name: queue_message uq_queue_message_topic_dedup_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_message
    ADD CONSTRAINT uq_queue_message_topic_dedup_key UNIQUE (topic, dedup_key);


--
-- Name: report uq_report_kind_subject; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.report
    ADD CONSTRAINT uq_report_kind_subject UNIQUE (kind, subject);


--
-- Name: snapshot uq_snapshot_model_dataset_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.snapshot
    ADD CONSTRAINT uq_snapshot_model_dataset_hash UNIQUE (model, dataset_hash);


--
-- Name: verification uq_verification_action_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT uq_verification_action_id UNIQUE (action_id);


--
-- Name: ix_action_request_dedup_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_action_request_dedup_key ON public.action_request USING btree (dedup_key) WHERE ((state)::text = ANY ((ARRAY['proposed'::character varying, 'waiting_approval'::character varying, 'approved'::character varying, 'running'::character varying])::text[]));


--
-- Name: ix_action_request_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_action_request_state ON public.action_request USING btree (state);


--
-- Name: ix_alert_incident_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_alert_incident_id ON public.alert USING btree (incident_id);


--
-- Name: ix_alert_model_at_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_alert_model_at_us ON public.alert USING btree (model, at_us);


--
-- Name: ix_audit_entry_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_entry_subject ON public.audit_entry USING btree (subject);


--
-- Name: ix_check_result_model_at_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_check_result_model_at_us ON public.check_result USING btree (model, at_us);


--
-- Name: ix_delivery_endpoint_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_delivery_endpoint_state ON public.delivery USING btree (endpoint, state);


--
-- Name: ix_delivery_model_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_delivery_model_state ON public.delivery USING btree (model, state);


--
-- Name: ix_delivery_state_received_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_delivery_state_received_us ON public.delivery USING btree (state, received_us);


--
-- Name: ix_endpoint_history_endpoint_at_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_endpoint_history_endpoint_at_us ON public.endpoint_history USING btree (endpoint, at_us);


--
-- Name: ix_event_delivery_state_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_event_delivery_state_position ON public.event_delivery USING btree (state, "position");


--
-- Name: ix_event_delivery_subscriber_state_aggregate_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_event_delivery_subscriber_state_aggregate_position ON public.event_delivery USING btree (subscriber, state, aggregate, "position");


--
-- Name: ix_incident_model_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_incident_model_endpoint ON public.incident USING btree (model, endpoint) WHERE ((state)::text = ANY ((ARRAY['open'::character varying, 'mitigating'::character varying])::text[]));


--
-- Name: ix_incident_model_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_incident_model_state ON public.incident USING btree (model, state);


--
-- Name: ix_job_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_job_state ON public.job USING btree (state);


--
-- Name: ix_notification_state_available_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_notification_state_available_us ON public.notification USING btree (state, available_us);


--
-- Name: ix_profile_endpoint_start_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_profile_endpoint_start_us ON public.profile USING btree (endpoint, start_us);


--
-- Name: ix_queue_message_topic_state_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_queue_message_topic_state_position ON public.queue_message USING btree (topic, state, "position");


--
-- Name: ix_retraining_event_model_at_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_retraining_event_model_at_us ON public.retraining_event USING btree (model, at_us);


--
-- Name: ix_rollout_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_rollout_endpoint ON public.rollout USING btree (endpoint) WHERE active;


--
-- Name: ix_rollout_model_started_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_rollout_model_started_us ON public.rollout USING btree (model, started_us);


--
-- Name: audit_entry audit_entry_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_entry_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_entry FOR EACH STATEMENT EXECUTE FUNCTION public.audit_entry_refuse();


--
-- Name: action_grant fk_action_grant_action_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_grant
    ADD CONSTRAINT fk_action_grant_action_id FOREIGN KEY (action_id) REFERENCES public.action_request(id);


--
-- Name: action_request fk_action_request_incident_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.action_request
    ADD CONSTRAINT fk_action_request_incident_id FOREIGN KEY (incident_id) REFERENCES public.incident(id);


--
-- Name: event_delivery fk_event_delivery_event_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_delivery
    ADD CONSTRAINT fk_event_delivery_event_id FOREIGN KEY (event_id) REFERENCES public.event(id);


--
-- Name: model_version fk_model_version_job_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT fk_model_version_job_id FOREIGN KEY (job_id) REFERENCES public.job(id);


--
-- Name: model_version fk_model_version_snapshot_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT fk_model_version_snapshot_id FOREIGN KEY (snapshot_id) REFERENCES public.snapshot(id);


--
-- Name: rollout_analysis fk_rollout_analysis_rollout_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollout_analysis
    ADD CONSTRAINT fk_rollout_analysis_rollout_id FOREIGN KEY (rollout_id) REFERENCES public.rollout(id);


--
-- Name: rollout_look fk_rollout_look_rollout_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollout_look
    ADD CONSTRAINT fk_rollout_look_rollout_id FOREIGN KEY (rollout_id) REFERENCES public.rollout(id);


--
-- Name: verification fk_verification_action_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT fk_verification_action_id FOREIGN KEY (action_id) REFERENCES public.action_request(id);


--
-- PostgreSQL database dump complete
--


