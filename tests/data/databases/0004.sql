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
-- Name: monitor_state; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.monitor_state (
    model character varying(128) NOT NULL,
    endpoint character varying(128) NOT NULL,
    variant character varying(128) NOT NULL,
    model_version integer NOT NULL,
    monitor character varying(128) NOT NULL,
    window_end_us bigint NOT NULL,
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
    spec json NOT NULL,
    job_id character varying(36),
    cause character varying(128),
    outcome text
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
-- Name: trigger_state; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.trigger_state (
    model character varying(128) NOT NULL,
    spec json NOT NULL,
    version integer NOT NULL
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
-- Name: version_loss; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.version_loss (
    model character varying(128) NOT NULL,
    endpoint character varying(128) NOT NULL,
    model_version integer NOT NULL,
    series character varying(64) NOT NULL,
    start_us bigint NOT NULL,
    end_us bigint NOT NULL,
    rows integer NOT NULL,
    loss double precision NOT NULL,
    spec json NOT NULL,
    revision bigint NOT NULL
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

INSERT INTO public.action_grant VALUES ('01a1ffcc-c717-7443-a3f8-6e3c2c945eff', '01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 'retrain tiny on the data up to now, and release it if better', '["retrain","deploy"]', 'dana', 1893628800000000, 1894233600000000);


--
-- Data for Name: action_request; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.action_request VALUES ('01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 'retrain:tiny', 'retrain', 'tiny', 'tiny', '01a1ffcc-c68f-78ed-8589-259448216470', 'approval', 'succeeded', 'policy', 'dana', 1893628800000000, 1893628800000000, 1893628800000000, '{"id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","dedup_key":"retrain:tiny","kind":"retrain","model":"tiny","tier":"approval","purpose":"retrain tiny on the data up to now, and release it if better","requested_by":"policy","created_us":1893628800000000,"state":"succeeded","endpoint":"tiny","incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","covers":["deploy"],"expires_us":1893715200000000,"predicted_impact":{"metric":"accuracy","now":0.5,"expected":0.8,"higher_is_better":true,"basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there"},"params":{"reason":"the inputs have moved to where the model knows little, and its quality fell"},"reason":"Real drift is answered by retraining","policy":{"rule":"Real drift is answered by retraining","actions":["retrain"],"tier":"approval","covers":["deploy"],"reason":"Real drift is answered by retraining","asked":[{"rule":"A feed that changed its units is quarantined","matched":false,"why":"it is for unit_change; the diagnosis is covariate_drift"},{"rule":"A trigger does not retrain a model while its data are broken","matched":false,"why":"it is for proposals of trigger; the origin is incident"},{"rule":"Real drift is answered by retraining","matched":true,"why":"all of its conditions hold"}],"tiers":{"retrain":"approval"},"expires":"P1D"},"decided_by":"dana","decided_us":1893628800000000,"finished_us":1893628800000000,"outcome":"version 2 promoted: enough seen","version":4}', 4);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0004');


--
-- Data for Name: alert; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alert VALUES ('01a1ffcc-c57a-708d-98ea-4415b34ac206', 'delivery:01a1ffcc-c4f3-7c9d-9146-7f3916a67067', 'rows_quarantined', 'medium', 'tiny', NULL, 'tiny: 1 of 61 rows (table) quarantined', NULL, 1893456000000000, '{"delivery_id":"01a1ffcc-c4f3-7c9d-9146-7f3916a67067","rows":61,"reasons":{"age: above 120":1},"broken_by_source":{}}');


--
-- Data for Name: api_key; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_key VALUES ('01a1ffcc-c9c6-7f44-95d9-697a55f09a53', 'emil', 'approver', 'a33511ea83831bf963e88ccfc01a830f4ab98902cc50b45f1bd62a615e77e82c', 1893636000000000, NULL);


--
-- Data for Name: audit_entry; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_entry VALUES (1, '01a1ffcc-c4f9-7caa-9eb9-1c33c41a9bdf', 1893456000000000, 'local-admin', 'delivery.accepted', 'delivery:tiny/01a1ffcc-c4f3-7c9d-9146-7f3916a67067', '{"after":null,"before":null,"detail":{"digest":"bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028","feed":null,"file":"rows.csv"},"reason":""}', '0000000000000000000000000000000000000000000000000000000000000000', 'a8cb110616eda6cbaef17b298d017f08a7d8d47a75cc356228617469ff8aa32c');
INSERT INTO public.audit_entry VALUES (2, '01a1ffcc-c5c5-7b35-b33e-7b0f79407def', 1893456000000000, 'dana', 'rollout.started', 'rollout:tiny/01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', '{"after":null,"before":null,"detail":{"action_id":null,"candidate":1,"stable":null},"reason":""}', 'a8cb110616eda6cbaef17b298d017f08a7d8d47a75cc356228617469ff8aa32c', 'bee25d5a6c1cc7738a8fde8e6fdac8aa00fdebef3ccf27fea620a096165c8f81');
INSERT INTO public.audit_entry VALUES (3, '01a1ffcc-c5d4-7009-af9d-093db59d62d0', 1893456000000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":1,"evidence":[]},"reason":"loaded on the staging endpoint"}', 'bee25d5a6c1cc7738a8fde8e6fdac8aa00fdebef3ccf27fea620a096165c8f81', 'c61c7d50021c4c2e855b6ecd3a3d926106d725c990baf5f60a95829e75d3cafc');
INSERT INTO public.audit_entry VALUES (4, '01a1ffcc-c5fd-76f6-9ab1-3a7ccc96c0ea', 1893456000000000, 'conductor', 'rollout.baking', 'rollout:tiny/01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', '{"after":{"phase":"baking","weight_pct":"100"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":1,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic"}', 'c61c7d50021c4c2e855b6ecd3a3d926106d725c990baf5f60a95829e75d3cafc', '61f3db9761482993b109be9c4dca18ff0931b67c05cb216caf0d98a47bffad8b');
INSERT INTO public.audit_entry VALUES (5, '01a1ffcc-c620-733d-b9f8-2ace51289d9f', 1893456000000000, 'conductor', 'rollout.promoted', 'rollout:tiny/01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"baking","weight_pct":"100"},"detail":{"candidate":1,"evidence":[]},"reason":"all traffic: it is served; promoted"}', '61f3db9761482993b109be9c4dca18ff0931b67c05cb216caf0d98a47bffad8b', 'c1a0bfec5d8fab6cce554ade4afeb2e0608dda331f3d7daf93da1adcf6891aa7');
INSERT INTO public.audit_entry VALUES (6, '01a1ffcc-c694-7e7e-919f-6ba260e8eb7a', 1893628800000000, 'conductor', 'incident.opened', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', '{"after":{"state":"open","title":"tiny: data_drift of all: breach"},"before":null,"detail":{"at_us":1893628800000000,"model":"tiny","run_id":"01a1ffcc-c66f-7b7d-aeb8-0c832d2846ce"},"reason":"data_drift of all: breach; model_quality of all: breach"}', 'c1a0bfec5d8fab6cce554ade4afeb2e0608dda331f3d7daf93da1adcf6891aa7', '71a059e41e64a86e62736ded3b376c0b28384a81a113bc2b6b9f6062152a7aba');
INSERT INTO public.audit_entry VALUES (7, '01a1ffcc-c6b8-7cfd-b77e-7936d1a3f834', 1893628800000000, 'conductor', 'incident.diagnosed', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', '{"after":{"diagnosis":"covariate_drift","severity":0.8095},"before":null,"detail":{},"reason":"the inputs have moved to where the model knows little, and its quality fell"}', '71a059e41e64a86e62736ded3b376c0b28384a81a113bc2b6b9f6062152a7aba', 'cb77f53a1cb3c1138d9b377520a27ec7e8ab4fde9cccf03b411315f27330205f');
INSERT INTO public.audit_entry VALUES (8, '01a1ffcc-c6c7-7570-bb68-510b952748d0', 1893628800000000, 'policy', 'action.requested', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"after":{"state":"waiting_approval","tier":"approval"},"before":null,"detail":{"incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","kind":"retrain","model":"tiny","purpose":"retrain tiny on the data up to now, and release it if better","rule":"Real drift is answered by retraining"},"reason":"Real drift is answered by retraining"}', 'cb77f53a1cb3c1138d9b377520a27ec7e8ab4fde9cccf03b411315f27330205f', '5e5e9fa3da555b5b0ada468c1034bd5e076e86b3c710a9301ce9b985e1bd165b');
INSERT INTO public.audit_entry VALUES (9, '01a1ffcc-c71c-7955-9df6-7c547a11c9f8', 1893628800000000, 'dana', 'action.approved', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"after":{"state":"approved"},"before":{"state":"waiting_approval"},"detail":{"covers":["deploy"],"kind":"retrain","purpose":"retrain tiny on the data up to now, and release it if better"},"reason":"seen"}', '5e5e9fa3da555b5b0ada468c1034bd5e076e86b3c710a9301ce9b985e1bd165b', '584dc0e3898d537c438efbc4c14674e9730e19130540bf85b32a33d352431ff5');
INSERT INTO public.audit_entry VALUES (10, '01a1ffcc-c728-7000-9fb7-02795585e5e1', 1893628800000000, 'dana', 'training.requested', 'model:tiny', '{"after":null,"before":null,"detail":{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5"},"reason":""}', '584dc0e3898d537c438efbc4c14674e9730e19130540bf85b32a33d352431ff5', 'b13eb50d4058c7dae7c3f93ac6c77f511ee6288d4044a666cd3c61fa2fd042d0');
INSERT INTO public.audit_entry VALUES (11, '01a1ffcc-c80d-7cd6-a5b3-1dedd43d8cd9', 1893628800000000, 'conductor', 'snapshot.made', 'snapshot:tiny/01a1ffcc-c7ff-74fc-8c49-73ec513f0813', '{"after":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","recent_rows":0,"rows":60},"before":null,"detail":{"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5"},"reason":""}', 'b13eb50d4058c7dae7c3f93ac6c77f511ee6288d4044a666cd3c61fa2fd042d0', 'e2c628cb6716974b3d027b3aef8fd59c68810a444fab76f8abd4d908eddd82f5');
INSERT INTO public.audit_entry VALUES (12, '01a1ffcc-c84b-7ec5-97c8-5705e1711285', 1893628800000000, 'conductor', 'training.succeeded', 'model:tiny', '{"after":{"algorithm":"linear","metrics":{"accuracy":0.85},"status":"succeeded"},"before":null,"detail":{"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5"},"reason":""}', 'e2c628cb6716974b3d027b3aef8fd59c68810a444fab76f8abd4d908eddd82f5', 'fe27e72a202f435fd0a690c47993e969c503668b563f719e5a012208415cbd05');
INSERT INTO public.audit_entry VALUES (13, '01a1ffcc-c859-795a-90be-58eebdcdbcb6', 1893628800000000, 'conductor', 'version.registered', 'version:tiny/2', '{"after":{"algorithm":"linear","digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","metrics":{"accuracy":0.85}},"before":null,"detail":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","run_id":null},"reason":""}', 'fe27e72a202f435fd0a690c47993e969c503668b563f719e5a012208415cbd05', '421cef59a7632ca0240c85e5dfb9bf8e39119fba23dde825277a110d647823f5');
INSERT INTO public.audit_entry VALUES (14, '01a1ffcc-c864-709a-a715-24b27e4bb075', 1893628800000000, 'dana', 'version.approved', 'version:tiny/2', '{"after":{"state":"approved"},"before":{"state":"pending"},"detail":{},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', '421cef59a7632ca0240c85e5dfb9bf8e39119fba23dde825277a110d647823f5', 'e85421524f16bb17677d9aba880008b1d47793ba8547b66e6788c447e814c166');
INSERT INTO public.audit_entry VALUES (15, '01a1ffcc-c869-7464-bb98-78983592d156', 1893628800000000, 'dana', 'rollout.started', 'rollout:tiny/01a1ffcc-c866-79cf-8617-3378b81b3662', '{"after":null,"before":null,"detail":{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","candidate":2,"stable":1},"reason":""}', 'e85421524f16bb17677d9aba880008b1d47793ba8547b66e6788c447e814c166', '945a8680c51e94563c76086c29b34bbb8f3b896e79d1061a0d6e3b894f836fae');
INSERT INTO public.audit_entry VALUES (16, '01a1ffcc-c88b-7785-80d3-44a20605b46b', 1893628800000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1ffcc-c866-79cf-8617-3378b81b3662', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":2,"evidence":[]},"reason":"loaded on the staging endpoint"}', '945a8680c51e94563c76086c29b34bbb8f3b896e79d1061a0d6e3b894f836fae', '5d19c59929d9fd29e9a5bf20633c145e2b960b044194b4cd66c2cdfea0a48e94');
INSERT INTO public.audit_entry VALUES (17, '01a1ffcc-c8a5-70e6-b5a1-64f341f66cc3', 1893628800000000, 'conductor', 'rollout.canary', 'rollout:tiny/01a1ffcc-c866-79cf-8617-3378b81b3662', '{"after":{"phase":"canary","weight_pct":"20"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":2,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %"}', '5d19c59929d9fd29e9a5bf20633c145e2b960b044194b4cd66c2cdfea0a48e94', '76c89b2a6d085571d6b2749face5442d3830b0e9acdf649e5cbe5d153b84543b');
INSERT INTO public.audit_entry VALUES (18, '01a1ffcc-c8cd-78e8-bd45-4f98c53e21a8', 1893628800000000, 'dana', 'rollout.promoted', 'rollout:tiny/01a1ffcc-c866-79cf-8617-3378b81b3662', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"canary","weight_pct":"20"},"detail":{"candidate":2,"evidence":[]},"reason":"enough seen"}', '76c89b2a6d085571d6b2749face5442d3830b0e9acdf649e5cbe5d153b84543b', 'c4fd0b90253b6d942c5c89271a0f8c79036f85cb76ad15ac3c79d322868d7441');
INSERT INTO public.audit_entry VALUES (19, '01a1ffcc-c8e6-79e7-a541-69fabfe6d4de', 1893628800000000, 'conductor', 'action.succeeded', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"after":null,"before":null,"detail":{"incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","kind":"retrain","model":"tiny"},"reason":"version 2 promoted: enough seen"}', 'c4fd0b90253b6d942c5c89271a0f8c79036f85cb76ad15ac3c79d322868d7441', 'a5190bb6ec5395053b284b2e1205641656a6f9ad3e80a61f830ec736e85cedfa');
INSERT INTO public.audit_entry VALUES (20, '01a1ffcc-c957-76f5-96dc-785e76de11c3', 1893636000000000, 'conductor', 'incident.recovered', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', '{"after":{"state":"resolved","title":"tiny: covariate drift"},"before":null,"detail":{"at_us":1893636000000000,"model":"tiny","run_id":"01a1ffcc-c941-7781-9057-04e9e47acf5c"},"reason":"all of 2 breaches are ok in a later window"}', 'a5190bb6ec5395053b284b2e1205641656a6f9ad3e80a61f830ec736e85cedfa', 'ac1760be8767ab6acb43c2e2cc8bc2b70ba26a373ce416435e4f94162733371c');
INSERT INTO public.audit_entry VALUES (21, '01a1ffcc-c986-7d0b-80e3-7477217cf1dd', 1893636000000000, 'conductor', 'action.verified', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"after":{"data_drift":0.6,"model_quality of accuracy":0.82},"before":{"data_drift":0.6,"model_quality of accuracy":0.5},"detail":{"verdict":"ok"},"reason":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}', 'ac1760be8767ab6acb43c2e2cc8bc2b70ba26a373ce416435e4f94162733371c', '25accae4e84465f53ef3cb1dcd7df46ca01804ea097cb220966d144870c034eb');


--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_head VALUES (1, 21, '25accae4e84465f53ef3cb1dcd7df46ca01804ea097cb220966d144870c034eb');


--
-- Data for Name: check_result; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.check_result VALUES ('01a1ffcc-c671-7da8-88db-237969016982', '01a1ffcc-c66f-7b7d-aeb8-0c832d2846ce', 'tiny', 'tiny', 'v1', 1, 'data_drift', 'data_drift', NULL, 1893625200000000, 1893628800000000, 0.6, 0.2, 0.6, 'breach', 'high', 1893628800000000, '{"explanation":"data_drift of all: breach","detail":{},"opens":true}');
INSERT INTO public.check_result VALUES ('01a1ffcc-c671-7da8-88db-237969016983', '01a1ffcc-c66f-7b7d-aeb8-0c832d2846ce', 'tiny', 'tiny', 'v1', 1, 'model_quality', 'model_quality', NULL, 1893625200000000, 1893628800000000, 0.5, 0.2, 0.5, 'breach', 'high', 1893628800000000, '{"explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}');
INSERT INTO public.check_result VALUES ('01a1ffcc-c941-7781-9057-04e9e47acf5d', '01a1ffcc-c941-7781-9057-04e9e47acf5c', 'tiny', 'tiny', 'v2', 2, 'data_drift', 'data_drift', NULL, 1893632400000000, 1893636000000000, 0.6, 0.2, 0.6, 'ok', 'high', 1893636000000000, '{"explanation":"data_drift of all: ok","detail":{},"opens":true}');
INSERT INTO public.check_result VALUES ('01a1ffcc-c941-7781-9057-04e9e47acf5e', '01a1ffcc-c941-7781-9057-04e9e47acf5c', 'tiny', 'tiny', 'v2', 2, 'model_quality', 'model_quality', NULL, 1893632400000000, 1893636000000000, 0.82, 0.2, 0.82, 'ok', 'high', 1893636000000000, '{"explanation":"model_quality of all: ok","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}');


--
-- Data for Name: delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.delivery VALUES ('01a1ffcc-c4f3-7c9d-9146-7f3916a67067', 'tiny:bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028', 'table', 'tiny', NULL, NULL, 'raw/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.csv', 'processed', 61, 60, 1, 1893456000000000, 1893456000000000, '{"name":"rows.csv","reasons":{"age: above 120":1},"remedies":{"age: above 120":"first in row 61 (age: 999 is above 120); correct it, or widen min and max in contract.yaml"},"broken_by_source":{},"span_us":null,"quarantine_path":"quarantine/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.parquet","error":null}', 2);


--
-- Data for Name: endpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint VALUES ('tiny-staging', 'tiny', 4, 1893628800000000, '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 4);
INSERT INTO public.endpoint VALUES ('tiny', 'tiny', 3, 1893628800000000, '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 3);


--
-- Data for Name: endpoint_history; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint_history VALUES ('tiny-staging', 1, 1893456000000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c');
INSERT INTO public.endpoint_history VALUES ('tiny', 1, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic', '{"schema_version":1,"endpoint":"tiny","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 2, 1893456000000000, 'conductor', 'all traffic: it is served; promoted', '{"schema_version":1,"endpoint":"tiny-staging","generation":2,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893456000000000, '01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 3, 1893628800000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ffcc-c866-79cf-8617-3378b81b3662');
INSERT INTO public.endpoint_history VALUES ('tiny', 2, 1893628800000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %', '{"schema_version":1,"endpoint":"tiny","generation":2,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"80","role":"live"},{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"20","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ffcc-c866-79cf-8617-3378b81b3662');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 4, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ffcc-c866-79cf-8617-3378b81b3662');
INSERT INTO public.endpoint_history VALUES ('tiny', 3, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null}', 1893628800000000, '01a1ffcc-c866-79cf-8617-3378b81b3662');


--
-- Data for Name: event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event VALUES (1, '01a1ffcc-c57d-77e6-92f3-398f1647e78c', 'alert.raised', 'model:tiny', '{"alert_id":"01a1ffcc-c57a-708d-98ea-4415b34ac206","kind":"rows_quarantined","model":"tiny","title":"tiny: 1 of 61 rows (table) quarantined","severity":"medium","reasons":{"age: above 120":1}}', 1893456000000000);
INSERT INTO public.event VALUES (2, '01a1ffcc-c5d3-7db7-9575-7c0f96dcd617', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c","model":"tiny","phase":"smoke"}', 1893456000000000);
INSERT INTO public.event VALUES (3, '01a1ffcc-c5fb-73fe-8eab-50f2750c5bf3', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c","model":"tiny","phase":"baking"}', 1893456000000000);
INSERT INTO public.event VALUES (4, '01a1ffcc-c60c-79b7-926b-1342916b33d1', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":1}', 1893456000000000);
INSERT INTO public.event VALUES (5, '01a1ffcc-c61e-7896-97da-6c44aa18e4be', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c","model":"tiny","phase":"promoted"}', 1893456000000000);
INSERT INTO public.event VALUES (6, '01a1ffcc-c672-7226-b7a6-332d515f65a9', 'checks.completed', 'model:tiny', '{"run_id":"01a1ffcc-c66f-7b7d-aeb8-0c832d2846ce","model":"tiny","endpoint":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (7, '01a1ffcc-c692-7f21-bece-1bcca336e7ba', 'incident.opened', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', '{"incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","model":"tiny","run_id":"01a1ffcc-c66f-7b7d-aeb8-0c832d2846ce","at_us":1893628800000000}', 1893628800000000);
INSERT INTO public.event VALUES (8, '01a1ffcc-c6c4-76c3-bbad-11b27c135bec', 'action.waiting', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","model":"tiny","incident_id":"01a1ffcc-c68f-78ed-8589-259448216470"}', 1893628800000000);
INSERT INTO public.event VALUES (9, '01a1ffcc-c71a-77a3-8077-1b7396b12805', 'action.approved', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","model":"tiny","incident_id":"01a1ffcc-c68f-78ed-8589-259448216470"}', 1893628800000000);
INSERT INTO public.event VALUES (10, '01a1ffcc-c727-7c0b-98e6-7f166c4a388d', 'training.requested', 'model:tiny', '{"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","model":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (11, '01a1ffcc-c84a-72d7-8afd-4faf9e18af56', 'job.finished', 'model:tiny', '{"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (12, '01a1ffcc-c858-7751-86d5-71dd841f2270', 'version.registered', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (13, '01a1ffcc-c863-78a1-a9c4-47c351b950d4', 'version.decided', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (14, '01a1ffcc-c889-7811-8da6-3007d734ec26', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ffcc-c866-79cf-8617-3378b81b3662","model":"tiny","phase":"smoke"}', 1893628800000000);
INSERT INTO public.event VALUES (15, '01a1ffcc-c8a4-7a71-9846-07999c4d93bb', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1ffcc-c866-79cf-8617-3378b81b3662","model":"tiny","phase":"canary"}', 1893628800000000);
INSERT INTO public.event VALUES (16, '01a1ffcc-c8b6-77f4-b4b6-64ec9c91c286', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":2}', 1893628800000000);
INSERT INTO public.event VALUES (17, '01a1ffcc-c8cc-7c37-ba7b-22d526c3d1e7', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1ffcc-c866-79cf-8617-3378b81b3662","model":"tiny","phase":"promoted"}', 1893628800000000);
INSERT INTO public.event VALUES (18, '01a1ffcc-c8d4-7204-bf76-2a876aa9c0d9', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":3}', 1893628800000000);
INSERT INTO public.event VALUES (19, '01a1ffcc-c8e4-75e6-a9f5-0261aebbd368', 'action.finished', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","model":"tiny","incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (20, '01a1ffcc-c942-7c0a-af58-11b4b5eb690a', 'checks.completed', 'model:tiny', '{"run_id":"01a1ffcc-c941-7781-9057-04e9e47acf5c","model":"tiny","endpoint":"tiny"}', 1893636000000000);
INSERT INTO public.event VALUES (21, '01a1ffcc-c956-7cf5-95ce-6c63829d0ad3', 'incident.recovered', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', '{"incident_id":"01a1ffcc-c68f-78ed-8589-259448216470","model":"tiny","run_id":"01a1ffcc-c941-7781-9057-04e9e47acf5c","at_us":1893636000000000}', 1893636000000000);
INSERT INTO public.event VALUES (22, '01a1ffcc-c984-7ba2-9eeb-640956fc8751', 'action.verified', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', '{"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","model":"tiny","incident_id":"01a1ffcc-c68f-78ed-8589-259448216470"}', 1893636000000000);


--
-- Data for Name: event_delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event_delivery VALUES ('01a1ffcc-c5d3-7db7-9575-7c0f96dcd617', 'projection', 'model:tiny', 2, 'pending', 0, 1795292972499609, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c942-7c0a-af58-11b4b5eb690a', 'verification', 'model:tiny', 20, 'done', 1, 1795292973378195, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c57d-77e6-92f3-398f1647e78c', 'messages', 'model:tiny', 1, 'done', 1, 1795292972413086, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c5fb-73fe-8eab-50f2750c5bf3', 'projection', 'model:tiny', 3, 'pending', 0, 1795292972539870, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c60c-79b7-926b-1342916b33d1', 'projection', 'model:tiny', 4, 'pending', 0, 1795292972556912, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c61e-7896-97da-6c44aa18e4be', 'projection', 'model:tiny', 5, 'pending', 0, 1795292972574741, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c61e-7896-97da-6c44aa18e4be', 'rollouts', 'model:tiny', 5, 'done', 1, 1795292972574741, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c61e-7896-97da-6c44aa18e4be', 'evidence', 'model:tiny', 5, 'done', 1, 1795292972574741, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8cc-7c37-ba7b-22d526c3d1e7', 'rollouts', 'model:tiny', 17, 'done', 1, 1795292973260655, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c672-7226-b7a6-332d515f65a9', 'incidents', 'model:tiny', 6, 'done', 1, 1795292972658614, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c692-7f21-bece-1bcca336e7ba', 'remediation', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', 7, 'done', 1, 1795292972690978, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8e4-75e6-a9f5-0261aebbd368', 'messages', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 19, 'done', 1, 1795292973284414, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c672-7226-b7a6-332d515f65a9', 'triggers', 'model:tiny', 6, 'done', 1, 1795292972658614, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c956-7cf5-95ce-6c63829d0ad3', 'messages', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', 21, 'done', 1, 1795292973398298, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c672-7226-b7a6-332d515f65a9', 'verification', 'model:tiny', 6, 'done', 1, 1795292972658614, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8cc-7c37-ba7b-22d526c3d1e7', 'evidence', 'model:tiny', 17, 'done', 1, 1795292973260655, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c692-7f21-bece-1bcca336e7ba', 'messages', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', 7, 'done', 1, 1795292972690978, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c6c4-76c3-bbad-11b27c135bec', 'messages', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 8, 'done', 1, 1795292972740235, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8e4-75e6-a9f5-0261aebbd368', 'evidence', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 19, 'done', 1, 1795292973284414, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c71a-77a3-8077-1b7396b12805', 'actions', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 9, 'done', 1, 1795292972826318, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c727-7c0b-98e6-7f166c4a388d', 'trainings', 'model:tiny', 10, 'done', 1, 1795292972839511, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c858-7751-86d5-71dd841f2270', 'projection', 'model:tiny', 12, 'pending', 0, 1795292973144484, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c863-78a1-a9c4-47c351b950d4', 'projection', 'model:tiny', 13, 'pending', 0, 1795292973155319, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c84a-72d7-8afd-4faf9e18af56', 'adoption', 'model:tiny', 11, 'done', 1, 1795292973130587, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c858-7751-86d5-71dd841f2270', 'messages', 'model:tiny', 12, 'done', 1, 1795292973144484, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c889-7811-8da6-3007d734ec26', 'projection', 'model:tiny', 14, 'pending', 0, 1795292973193066, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8a4-7a71-9846-07999c4d93bb', 'projection', 'model:tiny', 15, 'pending', 0, 1795292973220203, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8b6-77f4-b4b6-64ec9c91c286', 'projection', 'model:tiny', 16, 'pending', 0, 1795292973238835, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8cc-7c37-ba7b-22d526c3d1e7', 'projection', 'model:tiny', 17, 'pending', 0, 1795292973260655, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c8d4-7204-bf76-2a876aa9c0d9', 'projection', 'model:tiny', 18, 'pending', 0, 1795292973269017, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c956-7cf5-95ce-6c63829d0ad3', 'evidence', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', 21, 'done', 1, 1795292973398298, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c942-7c0a-af58-11b4b5eb690a', 'incidents', 'model:tiny', 20, 'done', 1, 1795292973378195, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c956-7cf5-95ce-6c63829d0ad3', 'remediation', 'incident:01a1ffcc-c68f-78ed-8589-259448216470', 21, 'done', 1, 1795292973398298, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c984-7ba2-9eeb-640956fc8751', 'evidence', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 22, 'done', 1, 1795292973444488, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1ffcc-c942-7c0a-af58-11b4b5eb690a', 'triggers', 'model:tiny', 20, 'done', 1, 1795292973378195, 1, NULL, NULL);


--
-- Data for Name: feed; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.feed VALUES ('tiny', 'clinic', 'open', NULL, '{"intervals":[{"since_us":1893636000000000,"until_us":1893636000000001,"reason":"mg became g"}],"changed_us":1893636000000000}', 2);


--
-- Data for Name: heartbeat; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.heartbeat VALUES ('control-plane', 15796, 1795292973529712, 1795292973529729, '{"start_ticks":6331699}');


--
-- Data for Name: incident; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.incident VALUES ('01a1ffcc-c68f-78ed-8589-259448216470', 'tiny', 'tiny', 'resolved', 'covariate_drift', 0.8095, 'tiny: covariate drift', 1893628800000000, 1893636000000000, '{"signals":[{"first_us":1893625200000000,"check":{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{},"opens":true},"recovered_us":1893636000000000},{"first_us":1893625200000000,"check":{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true},"recovered_us":1893636000000000}],"alerts":[],"timeline":[{"at_us":1893628800000000,"actor":"trimtab","what":"opened","why":"data_drift of all: breach; model_quality of all: breach"},{"at_us":1893628800000000,"actor":"trimtab","what":"diagnosed: covariate drift","why":"the inputs have moved to where the model knows little, and its quality fell"},{"at_us":1893628800000000,"actor":"trimtab","what":"policy: retrain (approval)","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain approved by dana","why":"seen"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain: started","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"version 2 is rolled out","why":"accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"},{"at_us":1893628800000000,"actor":"trimtab","what":"rollout of version 2: promoted","why":"enough seen"},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: data_drift","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: model_quality of accuracy","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"recovered","why":"all of 2 breaches are ok in a later window"},{"at_us":1893636000000000,"actor":"trimtab","what":"verified: ok","why":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}],"diagnosis":{"kind":"covariate_drift","severity":0.8095,"parts":[{"name":"loudness","weight":0.4,"value":0.6666666666666666,"why":"data_drift is of severity high"},{"name":"excess","weight":0.3,"value":1.0,"why":"data_drift: 0.6 against 0.2"}],"columns":[],"factor":null,"since_us":1893625200000000,"evidence_for":["model_quality of all: breach","the inputs as a whole have drifted"],"evidence_against":[],"explanation":"the inputs have moved to where the model knows little, and its quality fell"},"told_us":1893628800000000,"told_severity":"high"}', 9);


--
-- Data for Name: job; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.job VALUES ('j1', 'training', 'tiny', 'j1', 'succeeded', 1, 'x', 0, NULL, NULL, '{}', 1);
INSERT INTO public.job VALUES ('01a1ffcc-c726-722d-9a0b-3638d1f3ceb5', 'training', 'tiny', 'action:01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 'succeeded', 1, '/tmp/tmpzgjtgyud/server/project/.trimtab/jobs/01a1ffcc-c726-722d-9a0b-3638d1f3ceb5', 1893628800000000, 1893628800000000, NULL, '{"until_us":null,"action_id":"01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee","asked_by":"dana","request":{"schema_version":1,"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","model":{"name":"tiny","description":"","task":"binary","answers":"realtime","target":"disease","positive_class":"yes","key":"row_id","time":null,"time_features":false,"ignore":[],"label_delay":"0s","metrics":["accuracy","f1"],"primary_metric":null,"feeds":{"clinic":{"owner":"the clinic''s data desk","notify":null}},"costs":{"retrain":null,"release":null}},"contract":{"columns":{"row_id":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":null,"format":null,"missing":[]},"age":{"type":"number","description":"","unit":null,"nullable":false,"min":0.0,"max":120.0,"values":null,"format":null,"missing":[]},"chol":{"type":"number","description":"","unit":null,"nullable":true,"min":80.0,"max":700.0,"values":null,"format":null,"missing":[]},"sex":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["female","male"],"format":null,"missing":[]},"disease":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["yes","no"],"format":null,"missing":[]}},"encoding":"utf-8","unique":["row_id"],"allow_extra_columns":false,"row_count":{"min":1,"max":null}},"training":{"split":{"type":"stratified","test_share":0.25,"refit":false},"cross_validation":null,"candidates":[{"type":"logistic_regression","trials":null,"space":{}}],"trials":1,"trial_timeout":"10m","time_limit":"6h","prune":true,"tuning_rows":50000,"class_balance":"auto","calibration":"auto","decision_threshold":null,"lookback":null,"target_transform":"none","gates":{},"parity_tolerance":0.0001,"golden_rows":64,"max_categories":100,"max_terms":2000,"explain_rows":500,"cache":true,"reference_blocks":12,"workers":1,"seed":42},"snapshot_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/lake/snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet","snapshot_id":"01a1ffcc-c7ff-74fc-8c49-73ec513f0813","dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","mlflow_uri":"sqlite:////tmp/tmpzgjtgyud/server/project/.trimtab/mlflow.db","mlflow_artifacts":"/tmp/tmpzgjtgyud/server/project/.trimtab/mlflow-artifacts","experiment":"tiny/tiny","out_dir":"/tmp/tmpzgjtgyud/server/project/.trimtab/jobs/01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","git_commit":null,"compare_with":null,"compare_digest":null,"compare_rows_path":null,"time_limit_s":21600.0,"cache_dir":"/tmp/tmpzgjtgyud/server/project/.trimtab/cache/training","now_us":1893628800000000,"groups":[]},"result":{"schema_version":1,"job_id":"01a1ffcc-c726-722d-9a0b-3638d1f3ceb5","status":"succeeded","bundle_dir":"/tmp/tmpzgjtgyud/server/project/.trimtab/jobs/01a1ffcc-c726-722d-9a0b-3638d1f3ceb5/bundle","digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","algorithm":"linear","run_id":null,"metrics":{"accuracy":0.85},"gates":[],"candidates":[],"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"steps":[],"pipeline":null,"rows":100,"notes":[],"error":null,"seconds":0.0},"version_number":2}', 4);


--
-- Data for Name: lease; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.lease VALUES ('lane:data', 'host.invalid:1:kept', 1, 1795292981517007);


--
-- Data for Name: model_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.model_version VALUES ('01a1ffcc-c5a3-7e4d-9c26-78b35cc437be', 'tiny', 1, '197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812', '/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1', 'approved', 'linear', 's1', 'j1', NULL, 1893456000000000, 1893456000000000, 'dana', 0, '{"metrics":{"accuracy":0.8},"reason":""}', 2);
INSERT INTO public.model_version VALUES ('01a1ffcc-c856-7a46-992e-6d30c275639c', 'tiny', 2, '1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc', '/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc', 'approved', 'linear', '01a1ffcc-c7ff-74fc-8c49-73ec513f0813', '01a1ffcc-c726-722d-9a0b-3638d1f3ceb5', NULL, 1893628800000000, 1893628800000000, 'dana', 0, '{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","git_commit":null,"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"metrics":{"accuracy":0.85},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 2);


--
-- Data for Name: monitor_state; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.monitor_state VALUES ('tiny', 'tiny', 'v2', 2, 'data_drift', 1893636000000000, '{"state":{"steps":3},"settings":"0000000000000000"}', 1);


--
-- Data for Name: notification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.notification VALUES ('01a1ffcc-c5e9-76a1-928d-7640515a8f65', 'on-call:alert:tiny:rows_quarantined:age:21915', 'on-call', 'medium', 'tiny', 'tiny: 1 of 61 rows (table) quarantined', '1 × age: above 120', 'pending', 0, 0, 1893456000000000, NULL);
INSERT INTO public.notification VALUES ('01a1ffcc-c6fc-7ce8-8a7c-5dcbae326f6e', 'on-call:event:01a1ffcc-c692-7f21-bece-1bcca336e7ba', 'on-call', 'high', 'tiny', 'incident opened: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ffcc-c707-7bdc-a97d-02359859f497', 'on-call:event:01a1ffcc-c6c4-76c3-bbad-11b27c135bec', 'on-call', 'high', 'tiny', 'tiny: approval wanted: retrain tiny on the data up to now, and release it if better', 'Real drift is answered by retraining
trimtab approvals approve 01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ffcc-c871-7ca4-846d-678a45b57cb0', 'on-call:event:01a1ffcc-c858-7751-86d5-71dd841f2270', 'on-call', 'low', 'tiny', 'tiny: version 2 waits for approval', 'trimtab versions approve tiny@2', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ffcc-c8f4-7c47-bc8e-410eec6cdcee', 'on-call:event:01a1ffcc-c8e4-75e6-a9f5-0261aebbd368', 'on-call', 'low', 'tiny', 'tiny: retrain succeeded', 'version 2 promoted: enough seen', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1ffcc-c995-7951-a889-5b33b76aebe0', 'on-call:event:01a1ffcc-c956-7cf5-95ce-6c63829d0ad3', 'on-call', 'low', 'tiny', 'incident recovered: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893636000000000, NULL);


--
-- Data for Name: profile; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.profile VALUES ('01a1ffcc-c9c9-72c5-81f5-6447be054e3f', 'segment-1', 'tiny', 'v2', 2, 1893636000000000, 60, 3, '\x54545002930382a361676597a16e020100cb4046800000000000cb4049000000000000c43805010f0000080800020000000000000000080100fe0700000000000000004440000000000000494000000000000049400000000000004440a373657895a16303000082a666656d616c6501a46d616c6502c4095d021304840e010202');


--
-- Data for Name: queue_message; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.queue_message VALUES (1, '01a1ffcc-c4ff-7955-bad6-2edfc017ad3a', 'ingest', '01a1ffcc-c4f3-7c9d-9146-7f3916a67067:1', '{"delivery_id":"01a1ffcc-c4f3-7c9d-9146-7f3916a67067"}', 'done', 1, 1795292972285110, 1795292972285110, 1, NULL, NULL);


--
-- Data for Name: report; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.report VALUES ('01a1ffcc-c654-726f-ad28-3bc45de87d02', 'deployment', '01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', '/tmp/tmpzgjtgyud/server/project/.trimtab/reports/deployment/01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c.html', 1893456000000000);
INSERT INTO public.report VALUES ('01a1ffcc-c913-758c-a81c-6fdff442622c', 'deployment', '01a1ffcc-c866-79cf-8617-3378b81b3662', '/tmp/tmpzgjtgyud/server/project/.trimtab/reports/deployment/01a1ffcc-c866-79cf-8617-3378b81b3662.html', 1893628800000000);
INSERT INTO public.report VALUES ('01a1ffcc-c92f-7f2e-97e3-72cf8d4942dc', 'incident', '01a1ffcc-c68f-78ed-8589-259448216470', '/tmp/tmpzgjtgyud/server/project/.trimtab/reports/incident/01a1ffcc-c68f-78ed-8589-259448216470.html', 1893636000000000);


--
-- Data for Name: retraining_event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.retraining_event VALUES ('01a1ffcc-c6e0-7b73-afcb-3822c932a806', 'tiny', false, NULL, 1893628800000000, '{"reason":"data_drift: no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"data_drift: no column''s drift could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893628800000000,"since_us":1893628800000000},"refused":null}', NULL, NULL, NULL);
INSERT INTO public.retraining_event VALUES ('01a1ffcc-c6c5-7224-8264-2d4ea35fd906', 'tiny', true, '01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 1893628800000000, '{"reason":"the inputs have moved to where the model knows little, and its quality fell","explanation":{"name":"incident","held":true,"why":"the inputs have moved to where the model knows little, and its quality fell","value":null,"limit":null,"children":[],"as_of_us":null,"since_us":null},"refused":null}', '01a1ffcc-c726-722d-9a0b-3638d1f3ceb5', 'incident', 'succeeded: version 2 promoted: enough seen');
INSERT INTO public.retraining_event VALUES ('01a1ffcc-c975-7967-ae58-72609ec41dd1', 'tiny', false, NULL, 1893636000000000, '{"reason":"data_drift: no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"data_drift: no column''s drift could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893636000000000,"since_us":1893636000000000},"refused":null}', NULL, NULL, NULL);


--
-- Data for Name: rollout; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout VALUES ('01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', 'tiny', 'tiny', 1, NULL, 'promoted', false, NULL, 1893456000000000, 1893456000000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":1,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812"},"stable":null,"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_prediction_shift":null,"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"log":[{"at_us":1893456000000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893456000000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":null,"asked":[]},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893456000000000,"actor":"conductor","from":"smoke","to":"baking","state":{"phase":"baking","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]},{"at_us":1893456000000000,"actor":"conductor","from":"baking","to":"promoted","state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"all traffic: it is served; promoted","verdict":"ok","evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"all traffic: it is served; promoted","verdict":"ok","evidence":[],"at_us":1893456000000000}}', 4);
INSERT INTO public.rollout VALUES ('01a1ffcc-c866-79cf-8617-3378b81b3662', 'tiny', 'tiny', 2, 1, 'promoted', false, '01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 1893628800000000, 1893628800000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":2,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc"},"stable":{"number":1,"bundle_path":"/tmp/tmpzgjtgyud/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812"},"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_prediction_shift":null,"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"log":[{"at_us":1893628800000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893628800000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893628800000000,"actor":"conductor","from":"smoke","to":"canary","state":{"phase":"canary","since_us":1893628800000000,"step_index":0,"weight_pct":"20","resumes_to":null,"generation":null,"asked":[]},"weights":{"v1":"80","v2":"20"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]},{"at_us":1893628800000000,"actor":"dana","from":"canary","to":"promoted","state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[],"at_us":1893628800000000}}', 5);


--
-- Data for Name: rollout_analysis; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_analysis VALUES ('01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', 1893456000000000, 3, '{"counts":{"after_generation":0,"seen":[],"sticky":false,"segments":[]},"labels":{"after_generation":0,"labelled_us":0,"answered_us":0},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]},"predictions":{"segments":[]},"format":2},"looks":null,"news":[]}', 3);
INSERT INTO public.rollout_analysis VALUES ('01a1ffcc-c866-79cf-8617-3378b81b3662', 1893628800000000, 2, '{"counts":{"after_generation":1,"seen":[],"sticky":false,"segments":[]},"labels":{"after_generation":1,"labelled_us":0,"answered_us":0},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]},"predictions":{"segments":[]},"format":2},"looks":null,"news":[]}', 2);


--
-- Data for Name: rollout_look; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_look VALUES ('01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', 1, 1893456000000000, NULL, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', 2, 1893456000000000, NULL, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');
INSERT INTO public.rollout_look VALUES ('01a1ffcc-c5bf-7da7-b0a9-2bded0b5792c', 3, 1893456000000000, 1, 0, 'baking', 'ok', '{"blocks":[],"weight_pct":"100","requests":0,"reason":"all traffic: it is served; promoted","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a1ffcc-c866-79cf-8617-3378b81b3662', 1, 1893628800000000, 1, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a1ffcc-c866-79cf-8617-3378b81b3662', 2, 1893628800000000, 1, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');


--
-- Data for Name: schedule_run; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.schedule_run VALUES ('monitors:tiny', 1893636000000000);


--
-- Data for Name: snapshot; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.snapshot VALUES ('s1', 'tiny', 'dddddddddddddddddddddddddddddddd', 'x', 1, NULL, NULL, 0, '{}');
INSERT INTO public.snapshot VALUES ('01a1ffcc-c7ff-74fc-8c49-73ec513f0813', 'tiny', '29eca1f87641690c304b955105498c92.dir', 'snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet', 60, NULL, NULL, 1893628800000000, '{"recent_rows":0,"delivered_rows":60,"production_rows":0,"deliveries":["bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028"],"endpoint":"tiny","until_us":null,"contract":{"digest":"d509738101b3583c1bc0de5f374107faa6778d2024a92b8af4c9fccc3e172f95","left_out":0,"repeated":0,"quarantined_feed":0}}');


--
-- Data for Name: trigger_state; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.trigger_state VALUES ('tiny', '{"state":{"about":"e937fb25e632a373","at_us":1893636000000000,"held":{},"answers":{"when":[null,1893636000000000]},"fired":false,"stored_us":1893636000000000},"latest":{"at_us":1893636000000000,"fired":false,"reason":"data_drift: no column''s drift could be judged","cause":null,"explanation":{"name":"drift","held":null,"why":"data_drift: no column''s drift could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893636000000000,"since_us":1893636000000000}}}', 2);


--
-- Data for Name: verification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.verification VALUES ('01a1ffcc-c8ea-77af-b269-592dab76722f', '01a1ffcc-c6c0-7a3e-8e37-33b58ef3a4ee', 'done', 'ok', 1893628800000000, 1893636000000000, '{"params":{"version":2,"before":[{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{},"opens":true},{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}]},"result":{"verdict":"ok","explanation":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0","before":{"data_drift":0.6,"model_quality of accuracy":0.5},"after":{"data_drift":0.6,"model_quality of accuracy":0.82}}}', 2);


--
-- Data for Name: version_loss; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.version_loss VALUES ('tiny', 'tiny', 2, 'answers', 1893031200000000, 1893636000000000, 57, 11, '{}', 0);


--
-- Name: audit_head_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audit_head_id_seq', 1, false);


--
-- Name: event_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.event_position_seq', 22, true);


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
-- Name: monitor_state pk_monitor_state; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.monitor_state
    ADD CONSTRAINT pk_monitor_state PRIMARY KEY (model, endpoint, variant, model_version, monitor);


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
-- Name: trigger_state pk_trigger_state; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.trigger_state
    ADD CONSTRAINT pk_trigger_state PRIMARY KEY (model);


--
-- Name: verification pk_verification; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT pk_verification PRIMARY KEY (id);


--
-- Name: version_loss pk_version_loss; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.version_loss
    ADD CONSTRAINT pk_version_loss PRIMARY KEY (model, endpoint, model_version, series, start_us);


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
-- Name: ix_version_loss_model_endpoint_start_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_version_loss_model_endpoint_start_us ON public.version_loss USING btree (model, endpoint, start_us);


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


