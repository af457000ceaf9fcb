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
    spec json NOT NULL
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

INSERT INTO public.action_grant VALUES ('01a1fd04-889b-73ed-a72c-9dc9e80fe4a7', '01a1fd04-87d9-777d-9444-248d815656c6', 'retrain tiny on the data up to now, and release it if better', '["retrain","deploy"]', 'dana', 1893628800000000, 1894233600000000);


--
-- Data for Name: action_request; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.action_request VALUES ('01a1fd04-87d9-777d-9444-248d815656c6', 'retrain:tiny', 'retrain', 'tiny', 'tiny', '01a1fd04-8789-70ce-9e53-cb6fdde77345', 'approval', 'succeeded', 'policy', 'dana', 1893628800000000, 1893628800000000, 1893628800000000, '{"id":"01a1fd04-87d9-777d-9444-248d815656c6","dedup_key":"retrain:tiny","kind":"retrain","model":"tiny","tier":"approval","purpose":"retrain tiny on the data up to now, and release it if better","requested_by":"policy","created_us":1893628800000000,"state":"succeeded","endpoint":"tiny","incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","covers":["deploy"],"expires_us":1893715200000000,"predicted_impact":{"metric":"accuracy","now":0.5,"expected":0.8,"higher_is_better":true,"basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there"},"params":{},"reason":"Real drift is answered by retraining","policy":{"rule":"Real drift is answered by retraining","actions":["retrain"],"tier":"approval","covers":["deploy"],"reason":"Real drift is answered by retraining","asked":[{"rule":"A feed that changed its units is quarantined","matched":false,"why":"it is for unit_change; the diagnosis is covariate_drift"},{"rule":"A trigger does not retrain a model while its data are broken","matched":false,"why":"it is for proposals of trigger; the origin is incident"},{"rule":"Real drift is answered by retraining","matched":true,"why":"all of its conditions hold"}],"tiers":{"retrain":"approval"},"expires":"P1D"},"decided_by":"dana","decided_us":1893628800000000,"finished_us":1893628800000000,"outcome":"version 2 promoted: enough seen","version":4}', 4);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0002');


--
-- Data for Name: alert; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alert VALUES ('01a1fd04-85c6-76f7-8bca-d492e68e4097', 'delivery:01a1fd04-8400-73d4-98c4-67aede95d247', 'rows_quarantined', 'medium', 'tiny', NULL, 'tiny: 1 of 61 rows (table) quarantined', NULL, 1893456000000000, '{"delivery_id":"01a1fd04-8400-73d4-98c4-67aede95d247","rows":61,"reasons":{"age: above 120":1},"broken_by_source":{}}');


--
-- Data for Name: api_key; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_key VALUES ('01a1fd04-8e33-739d-a53a-a24a5a7ab5a0', 'emil', 'approver', '8561d67cd7cca8d71bc83e2999003420bb84bf3e9d3976be3b522360f9377e9c', 1893636000000000, NULL);


--
-- Data for Name: audit_entry; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_entry VALUES (1, '01a1fd04-8419-734c-8bb4-f5961a47f0b5', 1893456000000000, 'local-admin', 'delivery.accepted', 'delivery:tiny/01a1fd04-8400-73d4-98c4-67aede95d247', '{"after":null,"before":null,"detail":{"digest":"bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028","feed":null,"file":"rows.csv"},"reason":""}', '0000000000000000000000000000000000000000000000000000000000000000', 'a5c33a12632723e3e923077a34aaacda5478667d161fa6ca5738418263b756fd');
INSERT INTO public.audit_entry VALUES (2, '01a1fd04-8649-7102-b9ef-c1ab0190fa70', 1893456000000000, 'dana', 'rollout.started', 'rollout:tiny/01a1fd04-8634-7787-bbe4-92cfddcb6753', '{"after":null,"before":null,"detail":{"action_id":null,"candidate":1,"stable":null},"reason":""}', 'a5c33a12632723e3e923077a34aaacda5478667d161fa6ca5738418263b756fd', '02643227c4de04c1bb35a78cff1ba9093e2caf55ac8036287527c6d0d9e0dbcc');
INSERT INTO public.audit_entry VALUES (3, '01a1fd04-8661-71ca-bb2a-4897d131e6bb', 1893456000000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1fd04-8634-7787-bbe4-92cfddcb6753', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":1,"evidence":[]},"reason":"loaded on the staging endpoint"}', '02643227c4de04c1bb35a78cff1ba9093e2caf55ac8036287527c6d0d9e0dbcc', '0a0c503b0810354bec24cac59eaae588dc45d2fa816cad41568a83bc70efc0ce');
INSERT INTO public.audit_entry VALUES (4, '01a1fd04-86c5-75df-929d-0c0dbe370261', 1893456000000000, 'conductor', 'rollout.promoted', 'rollout:tiny/01a1fd04-8634-7787-bbe4-92cfddcb6753', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":1,"evidence":[{"limit":0.001,"name":"smoke_max_abs_difference","value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001"}', '0a0c503b0810354bec24cac59eaae588dc45d2fa816cad41568a83bc70efc0ce', 'b4df725da8d7ddaea28d6bb2f3e6191b945ff7f5bc5edef1755ebdf2a1a627a5');
INSERT INTO public.audit_entry VALUES (5, '01a1fd04-8795-706b-b992-7fe824c07985', 1893628800000000, 'conductor', 'incident.opened', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', '{"after":{"state":"open","title":"tiny: data_drift of all: breach"},"before":null,"detail":{"at_us":1893628800000000,"model":"tiny","run_id":"01a1fd04-876b-73f5-b08f-ec2e996057b7"},"reason":"data_drift of all: breach; model_quality of all: breach"}', 'b4df725da8d7ddaea28d6bb2f3e6191b945ff7f5bc5edef1755ebdf2a1a627a5', '26696a324b48e0bc9cfe11dbde26702d50b83ee72cb6b6ed393af4ba56bc7f4d');
INSERT INTO public.audit_entry VALUES (6, '01a1fd04-87bc-7579-96ad-b92e3c4ed9be', 1893628800000000, 'conductor', 'incident.diagnosed', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', '{"after":{"diagnosis":"covariate_drift","severity":0.8095},"before":null,"detail":{},"reason":"the inputs have moved to where the model knows little, and its quality fell"}', '26696a324b48e0bc9cfe11dbde26702d50b83ee72cb6b6ed393af4ba56bc7f4d', '7349c01b260f99ae095afcce048a8e2e0091f8a4aac811569201d8e84dfc7ead');
INSERT INTO public.audit_entry VALUES (7, '01a1fd04-87f6-7053-ae5e-fe1e5fa07932', 1893628800000000, 'policy', 'action.requested', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"after":{"state":"waiting_approval","tier":"approval"},"before":null,"detail":{"incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","kind":"retrain","model":"tiny","purpose":"retrain tiny on the data up to now, and release it if better","rule":"Real drift is answered by retraining"},"reason":"Real drift is answered by retraining"}', '7349c01b260f99ae095afcce048a8e2e0091f8a4aac811569201d8e84dfc7ead', '5578ac481d97700fea3d877c3ff13b6d11a9d760e4575cecbd315d37dc9210a0');
INSERT INTO public.audit_entry VALUES (8, '01a1fd04-88a4-7086-af70-bd5eea204207', 1893628800000000, 'dana', 'action.approved', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"after":{"state":"approved"},"before":{"state":"waiting_approval"},"detail":{"covers":["deploy"],"kind":"retrain","purpose":"retrain tiny on the data up to now, and release it if better"},"reason":"seen"}', '5578ac481d97700fea3d877c3ff13b6d11a9d760e4575cecbd315d37dc9210a0', '6cc6fd64872bd7d2c20bfcbc4842914c93a550bbe5fb85861f2f37301d8c9193');
INSERT INTO public.audit_entry VALUES (9, '01a1fd04-88d6-71b7-834f-e655fd3cf2a9', 1893628800000000, 'dana', 'training.requested', 'model:tiny', '{"after":null,"before":null,"detail":{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","job_id":"01a1fd04-88d1-751e-9c95-d58655402427"},"reason":""}', '6cc6fd64872bd7d2c20bfcbc4842914c93a550bbe5fb85861f2f37301d8c9193', '5ce8875e00de9e4a78fda3d4457020db331ba95052bfc6da1001f4d6b916901a');
INSERT INTO public.audit_entry VALUES (10, '01a1fd04-8afd-769f-b9c1-1f8fd986ac52', 1893628800000000, 'conductor', 'snapshot.made', 'snapshot:tiny/01a1fd04-8ae9-7181-9d9c-6417483f7b54', '{"after":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","recent_rows":0,"rows":60},"before":null,"detail":{"job_id":"01a1fd04-88d1-751e-9c95-d58655402427"},"reason":""}', '5ce8875e00de9e4a78fda3d4457020db331ba95052bfc6da1001f4d6b916901a', '9d706cccb9b2f528911464bf96c2e4799b542fb28b97336b1f812f6d8b007791');
INSERT INTO public.audit_entry VALUES (11, '01a1fd04-8b76-7439-b580-3bc1e124fa2c', 1893628800000000, 'conductor', 'training.succeeded', 'model:tiny', '{"after":{"algorithm":"linear","metrics":{"accuracy":0.85},"status":"succeeded"},"before":null,"detail":{"job_id":"01a1fd04-88d1-751e-9c95-d58655402427"},"reason":""}', '9d706cccb9b2f528911464bf96c2e4799b542fb28b97336b1f812f6d8b007791', '9793bcc958b4e623cb5b8efda987c767c24eb529fcd0102bec605cb64c8546eb');
INSERT INTO public.audit_entry VALUES (12, '01a1fd04-8bc2-7438-bd04-837fc533bf14', 1893628800000000, 'conductor', 'version.registered', 'version:tiny/2', '{"after":{"algorithm":"linear","digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","metrics":{"accuracy":0.85}},"before":null,"detail":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","job_id":"01a1fd04-88d1-751e-9c95-d58655402427","run_id":null},"reason":""}', '9793bcc958b4e623cb5b8efda987c767c24eb529fcd0102bec605cb64c8546eb', 'c9d02b4894648849e32d572971638e4e253c3f49ccce35482dce82a2a3595f3d');
INSERT INTO public.audit_entry VALUES (13, '01a1fd04-8bd9-760f-acf0-e4c1e5c02ade', 1893628800000000, 'dana', 'version.approved', 'version:tiny/2', '{"after":{"state":"approved"},"before":{"state":"pending"},"detail":{},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 'c9d02b4894648849e32d572971638e4e253c3f49ccce35482dce82a2a3595f3d', 'ff1581f3790df6f6bd8f1e08fdf7a81e4ac27caf2951b0a192a3224bed3309ec');
INSERT INTO public.audit_entry VALUES (14, '01a1fd04-8be3-73ab-8784-c60abedd7238', 1893628800000000, 'dana', 'rollout.started', 'rollout:tiny/01a1fd04-8bdb-74e1-9f18-f38e3deeb616', '{"after":null,"before":null,"detail":{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","candidate":2,"stable":1},"reason":""}', 'ff1581f3790df6f6bd8f1e08fdf7a81e4ac27caf2951b0a192a3224bed3309ec', '270349b705279b07bb43dd93cd048b2a98f6eb5e0a01f7f8edae30da1cede49d');
INSERT INTO public.audit_entry VALUES (15, '01a1fd04-8c05-778e-9ac5-68a2891fb82c', 1893628800000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a1fd04-8bdb-74e1-9f18-f38e3deeb616', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":2,"evidence":[]},"reason":"loaded on the staging endpoint"}', '270349b705279b07bb43dd93cd048b2a98f6eb5e0a01f7f8edae30da1cede49d', 'd449eded9b6d8c253a1c9abd0510c2c066b89a3f40b54509efbe798178d7cd44');
INSERT INTO public.audit_entry VALUES (16, '01a1fd04-8c1a-76de-a680-adf3677067e9', 1893628800000000, 'conductor', 'rollout.canary', 'rollout:tiny/01a1fd04-8bdb-74e1-9f18-f38e3deeb616', '{"after":{"phase":"canary","weight_pct":"20"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":2,"evidence":[{"limit":0.001,"name":"smoke_max_abs_difference","value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %"}', 'd449eded9b6d8c253a1c9abd0510c2c066b89a3f40b54509efbe798178d7cd44', '1619993e9e2db16d98bb87bff02d5b34b1de45661c56038699244b401b0d4879');
INSERT INTO public.audit_entry VALUES (17, '01a1fd04-8c41-70d8-b1c4-cd4dd1db1fb6', 1893628800000000, 'dana', 'rollout.promoted', 'rollout:tiny/01a1fd04-8bdb-74e1-9f18-f38e3deeb616', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"canary","weight_pct":"20"},"detail":{"candidate":2,"evidence":[]},"reason":"enough seen"}', '1619993e9e2db16d98bb87bff02d5b34b1de45661c56038699244b401b0d4879', 'ff3c31fad9fd10076264e684dd42b7ae8786a53cf9fd585398c7eac724b04a1a');
INSERT INTO public.audit_entry VALUES (18, '01a1fd04-8c5a-767c-9c18-55febcae03ac', 1893628800000000, 'conductor', 'action.succeeded', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"after":null,"before":null,"detail":{"incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","kind":"retrain","model":"tiny"},"reason":"version 2 promoted: enough seen"}', 'ff3c31fad9fd10076264e684dd42b7ae8786a53cf9fd585398c7eac724b04a1a', 'a6b67082a94347d3d0cb7544fae0e0ba807790a0f07f22ebe05c43528c04d8df');
INSERT INTO public.audit_entry VALUES (19, '01a1fd04-8d2c-71bf-8f80-f556cd7699fa', 1893636000000000, 'conductor', 'incident.recovered', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', '{"after":{"state":"resolved","title":"tiny: covariate drift"},"before":null,"detail":{"at_us":1893636000000000,"model":"tiny","run_id":"01a1fd04-8d11-74e5-bcfb-116f8355447c"},"reason":"all of 2 breaches are ok in a later window"}', 'a6b67082a94347d3d0cb7544fae0e0ba807790a0f07f22ebe05c43528c04d8df', '0b565abbd030f08292f4c31a741958ec16b55ac95b95498af756e03ddd404275');
INSERT INTO public.audit_entry VALUES (20, '01a1fd04-8d78-7257-8ac6-1f3b5d4d37a5', 1893636000000000, 'conductor', 'action.verified', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"after":{"data_drift":0.6,"model_quality of accuracy":0.82},"before":{"data_drift":0.6,"model_quality of accuracy":0.5},"detail":{"verdict":"ok"},"reason":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}', '0b565abbd030f08292f4c31a741958ec16b55ac95b95498af756e03ddd404275', 'ec844911931685ccc9661f22a7b403797d47df8bf5f7bed1ba381eb3feb62dbc');


--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_head VALUES (1, 20, 'ec844911931685ccc9661f22a7b403797d47df8bf5f7bed1ba381eb3feb62dbc');


--
-- Data for Name: check_result; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.check_result VALUES ('01a1fd04-876d-76eb-9bc5-35e1e6041859', '01a1fd04-876b-73f5-b08f-ec2e996057b7', 'tiny', 'tiny', 'v1', 1, 'data_drift', 'data_drift', NULL, 1893625200000000, 1893628800000000, 0.6, 0.2, 0.6, 'breach', 'high', 1893628800000000, '{"explanation":"data_drift of all: breach","detail":{}}');
INSERT INTO public.check_result VALUES ('01a1fd04-876d-76eb-9bc5-35e1e604185a', '01a1fd04-876b-73f5-b08f-ec2e996057b7', 'tiny', 'tiny', 'v1', 1, 'model_quality', 'model_quality', NULL, 1893625200000000, 1893628800000000, 0.5, 0.2, 0.5, 'breach', 'high', 1893628800000000, '{"explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}');
INSERT INTO public.check_result VALUES ('01a1fd04-8d15-757e-8ec2-d3b4b9fd1d07', '01a1fd04-8d11-74e5-bcfb-116f8355447c', 'tiny', 'tiny', 'v2', 2, 'data_drift', 'data_drift', NULL, 1893632400000000, 1893636000000000, 0.6, 0.2, 0.6, 'ok', 'high', 1893636000000000, '{"explanation":"data_drift of all: ok","detail":{}}');
INSERT INTO public.check_result VALUES ('01a1fd04-8d15-757e-8ec2-d3b4b9fd1d08', '01a1fd04-8d11-74e5-bcfb-116f8355447c', 'tiny', 'tiny', 'v2', 2, 'model_quality', 'model_quality', NULL, 1893632400000000, 1893636000000000, 0.82, 0.2, 0.82, 'ok', 'high', 1893636000000000, '{"explanation":"model_quality of all: ok","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}');


--
-- Data for Name: delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.delivery VALUES ('01a1fd04-8400-73d4-98c4-67aede95d247', 'tiny:bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028', 'table', 'tiny', NULL, NULL, 'raw/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.csv', 'processed', 61, 60, 1, 1893456000000000, 1893456000000000, '{"name":"rows.csv","reasons":{"age: above 120":1},"broken_by_source":{},"span_us":null,"quarantine_path":"quarantine/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.parquet","error":null}', 2);


--
-- Data for Name: endpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint VALUES ('tiny-staging', 'tiny', 4, 1893628800000000, '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"max_rows":10000,"max_body_bytes":8000000}', 4);
INSERT INTO public.endpoint VALUES ('tiny', 'tiny', 3, 1893628800000000, '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","bundle_digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"max_rows":10000,"max_body_bytes":8000000}', 3);


--
-- Data for Name: endpoint_history; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint_history VALUES ('tiny-staging', 1, 1893456000000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 2, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001', '{"schema_version":1,"endpoint":"tiny-staging","generation":2,"variants":[],"sticky_key":null,"record":false,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny', 1, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001', '{"schema_version":1,"endpoint":"tiny","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 3, 1893628800000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","bundle_digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","weight_pct":"100","role":"live"}],"sticky_key":null,"record":false,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny', 2, 1893628800000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %', '{"schema_version":1,"endpoint":"tiny","generation":2,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424","weight_pct":"80","role":"live"},{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","bundle_digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","weight_pct":"20","role":"live"}],"sticky_key":null,"record":true,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 4, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"record":false,"max_rows":10000,"max_body_bytes":8000000}');
INSERT INTO public.endpoint_history VALUES ('tiny', 3, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","bundle_digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","weight_pct":"100","role":"live"}],"sticky_key":null,"record":true,"max_rows":10000,"max_body_bytes":8000000}');


--
-- Data for Name: event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event VALUES (1, '01a1fd04-85ca-736a-8e32-80e741479cbd', 'alert.raised', 'model:tiny', '{"alert_id":"01a1fd04-85c6-76f7-8bca-d492e68e4097","model":"tiny","title":"tiny: 1 of 61 rows (table) quarantined","severity":"medium","reasons":{"age: above 120":1}}', 1893456000000000);
INSERT INTO public.event VALUES (2, '01a1fd04-865f-739c-a7e4-3bc94e170ffa', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1fd04-8634-7787-bbe4-92cfddcb6753","model":"tiny","phase":"smoke"}', 1893456000000000);
INSERT INTO public.event VALUES (3, '01a1fd04-86bd-718c-ad44-d0f5c6cb9d22', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1fd04-8634-7787-bbe4-92cfddcb6753","model":"tiny","phase":"promoted"}', 1893456000000000);
INSERT INTO public.event VALUES (4, '01a1fd04-8771-70e6-998f-433495924c13', 'checks.completed', 'model:tiny', '{"run_id":"01a1fd04-876b-73f5-b08f-ec2e996057b7","model":"tiny","endpoint":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (5, '01a1fd04-8791-736f-8ade-3cf367da3ab2', 'incident.opened', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', '{"incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","model":"tiny","run_id":"01a1fd04-876b-73f5-b08f-ec2e996057b7","at_us":1893628800000000}', 1893628800000000);
INSERT INTO public.event VALUES (6, '01a1fd04-87f5-701b-b182-d7ea40548b9b', 'action.waiting', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","model":"tiny","incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345"}', 1893628800000000);
INSERT INTO public.event VALUES (7, '01a1fd04-889e-7703-9da7-b59a04dece2b', 'action.approved', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","model":"tiny","incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345"}', 1893628800000000);
INSERT INTO public.event VALUES (8, '01a1fd04-88d5-75dd-97aa-72b55c4cd349', 'training.requested', 'model:tiny', '{"job_id":"01a1fd04-88d1-751e-9c95-d58655402427","model":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (9, '01a1fd04-8b74-75d2-8b56-3803e4cfb55e', 'job.finished', 'model:tiny', '{"job_id":"01a1fd04-88d1-751e-9c95-d58655402427","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (10, '01a1fd04-8bc0-7573-9126-0de43f208b31', 'version.registered', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (11, '01a1fd04-8bd4-7092-abb8-7d2283a3423f', 'version.decided', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (12, '01a1fd04-8c00-72ab-8292-1afd803004c1', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1fd04-8bdb-74e1-9f18-f38e3deeb616","model":"tiny","phase":"smoke"}', 1893628800000000);
INSERT INTO public.event VALUES (13, '01a1fd04-8c19-7343-888d-26b1cf0dfc85', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a1fd04-8bdb-74e1-9f18-f38e3deeb616","model":"tiny","phase":"canary"}', 1893628800000000);
INSERT INTO public.event VALUES (14, '01a1fd04-8c3e-764e-b3fe-ad0260e3c336', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a1fd04-8bdb-74e1-9f18-f38e3deeb616","model":"tiny","phase":"promoted"}', 1893628800000000);
INSERT INTO public.event VALUES (15, '01a1fd04-8c59-746a-bafb-cdd1c115bf9a', 'action.finished', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","model":"tiny","incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (16, '01a1fd04-8d16-77d8-8d98-07690f7d1115', 'checks.completed', 'model:tiny', '{"run_id":"01a1fd04-8d11-74e5-bcfb-116f8355447c","model":"tiny","endpoint":"tiny"}', 1893636000000000);
INSERT INTO public.event VALUES (17, '01a1fd04-8d2b-7596-a43a-b25af1b3c20a', 'incident.recovered', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', '{"incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345","model":"tiny","run_id":"01a1fd04-8d11-74e5-bcfb-116f8355447c","at_us":1893636000000000}', 1893636000000000);
INSERT INTO public.event VALUES (18, '01a1fd04-8d76-7239-9441-821955183da8', 'action.verified', 'action:01a1fd04-87d9-777d-9444-248d815656c6', '{"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","model":"tiny","incident_id":"01a1fd04-8789-70ce-9e53-cb6fdde77345"}', 1893636000000000);


--
-- Data for Name: event_delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event_delivery VALUES ('01a1fd04-865f-739c-a7e4-3bc94e170ffa', 'projection', 'model:tiny', 2, 'pending', 0, 1795246294623728, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c3e-764e-b3fe-ad0260e3c336', 'rollouts', 'model:tiny', 14, 'done', 1, 1795246296126205, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-85ca-736a-8e32-80e741479cbd', 'messages', 'model:tiny', 1, 'done', 1, 1795246294474428, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-86bd-718c-ad44-d0f5c6cb9d22', 'projection', 'model:tiny', 3, 'pending', 0, 1795246294717905, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-86bd-718c-ad44-d0f5c6cb9d22', 'rollouts', 'model:tiny', 3, 'done', 1, 1795246294717905, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c59-746a-bafb-cdd1c115bf9a', 'messages', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 15, 'done', 1, 1795246296153922, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-86bd-718c-ad44-d0f5c6cb9d22', 'evidence', 'model:tiny', 3, 'done', 1, 1795246294717905, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d2b-7596-a43a-b25af1b3c20a', 'evidence', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', 17, 'done', 1, 1795246296363043, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8771-70e6-998f-433495924c13', 'incidents', 'model:tiny', 4, 'done', 1, 1795246294897632, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c3e-764e-b3fe-ad0260e3c336', 'evidence', 'model:tiny', 14, 'done', 1, 1795246296126205, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8791-736f-8ade-3cf367da3ab2', 'remediation', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', 5, 'done', 1, 1795246294929046, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8771-70e6-998f-433495924c13', 'triggers', 'model:tiny', 4, 'done', 1, 1795246294897632, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c59-746a-bafb-cdd1c115bf9a', 'evidence', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 15, 'done', 1, 1795246296153922, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8771-70e6-998f-433495924c13', 'verification', 'model:tiny', 4, 'done', 1, 1795246294897632, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8791-736f-8ade-3cf367da3ab2', 'messages', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', 5, 'done', 1, 1795246294929046, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-87f5-701b-b182-d7ea40548b9b', 'messages', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 6, 'done', 1, 1795246295029085, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-889e-7703-9da7-b59a04dece2b', 'actions', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 7, 'done', 1, 1795246295198339, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d76-7239-9441-821955183da8', 'evidence', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 18, 'done', 1, 1795246296438407, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-88d5-75dd-97aa-72b55c4cd349', 'trainings', 'model:tiny', 8, 'done', 1, 1795246295253067, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8bc0-7573-9126-0de43f208b31', 'projection', 'model:tiny', 10, 'pending', 0, 1795246296000970, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8bd4-7092-abb8-7d2283a3423f', 'projection', 'model:tiny', 11, 'pending', 0, 1795246296020402, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8b74-75d2-8b56-3803e4cfb55e', 'adoption', 'model:tiny', 9, 'done', 1, 1795246295924984, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8bc0-7573-9126-0de43f208b31', 'messages', 'model:tiny', 10, 'done', 1, 1795246296000970, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c00-72ab-8292-1afd803004c1', 'projection', 'model:tiny', 12, 'pending', 0, 1795246296064232, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c19-7343-888d-26b1cf0dfc85', 'projection', 'model:tiny', 13, 'pending', 0, 1795246296089346, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8c3e-764e-b3fe-ad0260e3c336', 'projection', 'model:tiny', 14, 'pending', 0, 1795246296126205, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d16-77d8-8d98-07690f7d1115', 'incidents', 'model:tiny', 16, 'done', 1, 1795246296342226, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d2b-7596-a43a-b25af1b3c20a', 'remediation', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', 17, 'done', 1, 1795246296363043, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d16-77d8-8d98-07690f7d1115', 'triggers', 'model:tiny', 16, 'done', 1, 1795246296342226, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d16-77d8-8d98-07690f7d1115', 'verification', 'model:tiny', 16, 'done', 1, 1795246296342226, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a1fd04-8d2b-7596-a43a-b25af1b3c20a', 'messages', 'incident:01a1fd04-8789-70ce-9e53-cb6fdde77345', 17, 'done', 1, 1795246296363043, 1, NULL, NULL);


--
-- Data for Name: feed; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.feed VALUES ('tiny', 'clinic', 'open', NULL, '{"intervals":[{"since_us":1893636000000000,"until_us":1893636000000001,"reason":"mg became g"}],"changed_us":1893636000000000}', 2);


--
-- Data for Name: heartbeat; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.heartbeat VALUES ('control-plane', 9391, 1795246296664127, 1795246296664140, '{"start_ticks":1665913}');


--
-- Data for Name: incident; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.incident VALUES ('01a1fd04-8789-70ce-9e53-cb6fdde77345', 'tiny', 'tiny', 'resolved', 'covariate_drift', 0.8095, 'tiny: covariate drift', 1893628800000000, 1893636000000000, '{"signals":[{"first_us":1893625200000000,"check":{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{}},"recovered_us":1893636000000000},{"first_us":1893625200000000,"check":{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}},"recovered_us":1893636000000000}],"alerts":[],"timeline":[{"at_us":1893628800000000,"actor":"trimtab","what":"opened","why":"data_drift of all: breach; model_quality of all: breach"},{"at_us":1893628800000000,"actor":"trimtab","what":"diagnosed: covariate drift","why":"the inputs have moved to where the model knows little, and its quality fell"},{"at_us":1893628800000000,"actor":"trimtab","what":"policy: retrain (approval)","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain approved by dana","why":"seen"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain: started","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"version 2 is rolled out","why":"accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"},{"at_us":1893628800000000,"actor":"trimtab","what":"rollout of version 2: promoted","why":"enough seen"},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: data_drift","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: model_quality of accuracy","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"recovered","why":"all of 2 breaches are ok in a later window"},{"at_us":1893636000000000,"actor":"trimtab","what":"verified: ok","why":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}],"diagnosis":{"kind":"covariate_drift","severity":0.8095,"parts":[{"name":"loudness","weight":0.4,"value":0.6666666666666666,"why":"data_drift is of severity high"},{"name":"excess","weight":0.3,"value":1.0,"why":"data_drift: 0.6 against 0.2"}],"columns":[],"factor":null,"since_us":1893625200000000,"evidence_for":["model_quality of all: breach","the inputs as a whole have drifted"],"evidence_against":[],"explanation":"the inputs have moved to where the model knows little, and its quality fell"}}', 9);


--
-- Data for Name: job; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.job VALUES ('j1', 'training', 'tiny', 'j1', 'succeeded', 1, 'x', 0, NULL, NULL, '{}', 1);
INSERT INTO public.job VALUES ('01a1fd04-88d1-751e-9c95-d58655402427', 'training', 'tiny', 'action:01a1fd04-87d9-777d-9444-248d815656c6', 'succeeded', 1, '/tmp/tmpicyh8l7i/server/project/.trimtab/jobs/01a1fd04-88d1-751e-9c95-d58655402427', 1893628800000000, 1893628800000000, NULL, '{"until_us":null,"action_id":"01a1fd04-87d9-777d-9444-248d815656c6","asked_by":"dana","request":{"schema_version":1,"job_id":"01a1fd04-88d1-751e-9c95-d58655402427","model":{"name":"tiny","description":"","task":"binary","target":"disease","positive_class":"yes","key":"row_id","time":null,"time_features":false,"ignore":[],"label_delay":"0s","metrics":["accuracy","f1"],"primary_metric":null,"feeds":{"clinic":{"owner":"the clinic''s data desk","notify":null}},"costs":{"retrain":0.0}},"contract":{"columns":{"row_id":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":null,"format":null,"missing":[]},"age":{"type":"number","description":"","unit":null,"nullable":false,"min":0.0,"max":120.0,"values":null,"format":null,"missing":[]},"chol":{"type":"number","description":"","unit":null,"nullable":true,"min":80.0,"max":700.0,"values":null,"format":null,"missing":[]},"sex":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["female","male"],"format":null,"missing":[]},"disease":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["yes","no"],"format":null,"missing":[]}},"encoding":"utf-8","unique":["row_id"],"allow_extra_columns":false,"row_count":{"min":1,"max":null}},"training":{"split":{"type":"stratified","test_share":0.25,"refit":false},"cross_validation":null,"candidates":[{"type":"logistic_regression","trials":null,"space":{}}],"trials":1,"trial_timeout":"10m","time_limit":"6h","prune":true,"tuning_rows":50000,"class_balance":"auto","calibration":"auto","decision_threshold":null,"lookback":null,"target_transform":"none","gates":{},"parity_tolerance":0.0001,"golden_rows":64,"max_categories":100,"max_terms":2000,"explain_rows":500,"cache":true,"reference_blocks":12,"workers":1,"seed":42},"snapshot_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/lake/snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet","snapshot_id":"01a1fd04-8ae9-7181-9d9c-6417483f7b54","dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","mlflow_uri":"sqlite:////tmp/tmpicyh8l7i/server/project/.trimtab/mlflow.db","mlflow_artifacts":"/tmp/tmpicyh8l7i/server/project/.trimtab/mlflow-artifacts","experiment":"tiny/tiny","out_dir":"/tmp/tmpicyh8l7i/server/project/.trimtab/jobs/01a1fd04-88d1-751e-9c95-d58655402427","git_commit":null,"compare_with":null,"compare_digest":null,"compare_rows_path":null,"time_limit_s":21600.0,"cache_dir":"/tmp/tmpicyh8l7i/server/project/.trimtab/cache/training"},"result":{"schema_version":1,"job_id":"01a1fd04-88d1-751e-9c95-d58655402427","status":"succeeded","bundle_dir":"/tmp/tmpicyh8l7i/server/project/.trimtab/jobs/01a1fd04-88d1-751e-9c95-d58655402427/bundle","digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","algorithm":"linear","run_id":null,"metrics":{"accuracy":0.85},"gates":[],"candidates":[],"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"steps":[],"pipeline":null,"rows":100,"notes":[],"error":null,"seconds":0.0},"version_number":2}', 4);


--
-- Data for Name: lease; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.lease VALUES ('lane:data', 'host.invalid:1:kept', 1, 1795246304639612);


--
-- Data for Name: model_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.model_version VALUES ('01a1fd04-8615-74ce-978c-2f80d7463712', 'tiny', 1, 'ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424', '/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1', 'approved', 'linear', 's1', 'j1', NULL, 1893456000000000, 1893456000000000, 'dana', 0, '{"metrics":{"accuracy":0.8},"reason":""}', 2);
INSERT INTO public.model_version VALUES ('01a1fd04-8bba-7259-8f0f-a9786ce7a571', 'tiny', 2, 'd88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0', '/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0', 'approved', 'linear', '01a1fd04-8ae9-7181-9d9c-6417483f7b54', '01a1fd04-88d1-751e-9c95-d58655402427', NULL, 1893628800000000, 1893628800000000, 'dana', 0, '{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","git_commit":null,"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"metrics":{"accuracy":0.85},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 2);


--
-- Data for Name: notification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.notification VALUES ('01a1fd04-869d-75d1-ac36-33893c85ced5', 'on-call:event:01a1fd04-85ca-736a-8e32-80e741479cbd', 'on-call', 'medium', 'tiny', 'tiny: 1 of 61 rows (table) quarantined', '1 × age: above 120', 'pending', 0, 0, 1893456000000000, NULL);
INSERT INTO public.notification VALUES ('01a1fd04-885b-75c9-adb9-6298e8cb17b0', 'on-call:event:01a1fd04-8791-736f-8ade-3cf367da3ab2', 'on-call', 'high', 'tiny', 'incident opened: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1fd04-8875-7343-a2e9-220872102a20', 'on-call:event:01a1fd04-87f5-701b-b182-d7ea40548b9b', 'on-call', 'high', 'tiny', 'tiny: approval wanted: retrain tiny on the data up to now, and release it if better', 'Real drift is answered by retraining
trimtab approvals approve 01a1fd04-87d9-777d-9444-248d815656c6', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1fd04-8bed-7629-b85b-2c4194be6a0f', 'on-call:event:01a1fd04-8bc0-7573-9126-0de43f208b31', 'on-call', 'low', 'tiny', 'tiny: version 2 waits for approval', 'trimtab versions approve tiny@2', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1fd04-8c7e-75b6-9839-9e05658e1369', 'on-call:event:01a1fd04-8c59-746a-bafb-cdd1c115bf9a', 'on-call', 'low', 'tiny', 'tiny: retrain succeeded', 'version 2 promoted: enough seen', 'pending', 0, 0, 1893628800000000, NULL);
INSERT INTO public.notification VALUES ('01a1fd04-8d95-73b8-801a-b547ec2a17ec', 'on-call:event:01a1fd04-8d2b-7596-a43a-b25af1b3c20a', 'on-call', 'low', 'tiny', 'incident recovered: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893636000000000, NULL);


--
-- Data for Name: profile; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.profile VALUES ('01a1fd04-8e3e-7341-9881-891e1c1abf3a', 'segment-1', 'tiny', 'v2', 2, 1893636000000000, 60, 3, '\x54545001920382a361676597a16e020100cb4046800000000000cb4049000000000000c43805010f0000080800020000000000000000080100fe0700000000000000004440000000000000494000000000000049400000000000004440a373657895a16303000082a666656d616c6501a46d616c6502');


--
-- Data for Name: queue_message; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.queue_message VALUES (1, '01a1fd04-843d-7243-8eff-78bacbdeff47', 'ingest', '01a1fd04-8400-73d4-98c4-67aede95d247:1', '{"delivery_id":"01a1fd04-8400-73d4-98c4-67aede95d247"}', 'done', 1, 1795246294061101, 1795246294061101, 1, NULL, NULL);


--
-- Data for Name: report; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.report VALUES ('01a1fd04-8733-714a-b8dd-6a4c5af063f7', 'deployment', '01a1fd04-8634-7787-bbe4-92cfddcb6753', '/tmp/tmpicyh8l7i/server/project/.trimtab/reports/deployment/01a1fd04-8634-7787-bbe4-92cfddcb6753.html', 1893456000000000);
INSERT INTO public.report VALUES ('01a1fd04-8cbe-7388-89db-3fd6d8ef61c1', 'deployment', '01a1fd04-8bdb-74e1-9f18-f38e3deeb616', '/tmp/tmpicyh8l7i/server/project/.trimtab/reports/deployment/01a1fd04-8bdb-74e1-9f18-f38e3deeb616.html', 1893628800000000);
INSERT INTO public.report VALUES ('01a1fd04-8cea-7567-8806-f7e65a0df488', 'incident', '01a1fd04-8789-70ce-9e53-cb6fdde77345', '/tmp/tmpicyh8l7i/server/project/.trimtab/reports/incident/01a1fd04-8789-70ce-9e53-cb6fdde77345.html', 1893636000000000);


--
-- Data for Name: retraining_event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.retraining_event VALUES ('01a1fd04-8825-73d0-9449-083db2d9b1e0', 'tiny', false, NULL, 1893628800000000, '{"reason":"no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"no column''s drift could be judged","value":null,"limit":"30%","children":[]}}');
INSERT INTO public.retraining_event VALUES ('01a1fd04-8d67-7507-8057-23dd010712d4', 'tiny', false, NULL, 1893636000000000, '{"reason":"no column''s drift could be judged","explanation":{"name":"drift","held":null,"why":"no column''s drift could be judged","value":null,"limit":"30%","children":[]}}');


--
-- Data for Name: rollout; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout VALUES ('01a1fd04-8634-7787-bbe4-92cfddcb6753', 'tiny', 'tiny', 1, NULL, 'promoted', false, NULL, 1893456000000000, 1893456000000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":1,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424"},"stable":null,"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"max_degradation":{},"min_labels":30},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null},"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null},"log":[{"at_us":1893456000000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893456000000000,"step_index":0,"weight_pct":"0","resumes_to":null},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893456000000000,"actor":"conductor","from":"smoke","to":"promoted","state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001"}]}],"last":{"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001"}],"at_us":1893456000000000}}', 3);
INSERT INTO public.rollout VALUES ('01a1fd04-8bdb-74e1-9f18-f38e3deeb616', 'tiny', 'tiny', 2, 1, 'promoted', false, '01a1fd04-87d9-777d-9444-248d815656c6', 1893628800000000, 1893628800000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":2,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0","bundle_digest":"d88b1a420b995f34fa2f3d0668405d736dc9ecd39c97f4c2d8ce35453f6fe2d0"},"stable":{"number":1,"bundle_path":"/tmp/tmpicyh8l7i/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"ebd15946eca6983f9de67fe4902b2ee3d2812be10f0ec4ffdbaa994b6ae21424"},"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_latency_p95_ms":null,"max_degradation":{},"min_labels":30},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null},"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null},"log":[{"at_us":1893628800000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893628800000000,"step_index":0,"weight_pct":"0","resumes_to":null},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893628800000000,"actor":"conductor","from":"smoke","to":"canary","state":{"phase":"canary","since_us":1893628800000000,"step_index":0,"weight_pct":"20","resumes_to":null},"weights":{"v1":"80","v2":"20"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001"}]},{"at_us":1893628800000000,"actor":"dana","from":"canary","to":"promoted","state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[],"at_us":1893628800000000}}', 5);


--
-- Data for Name: schedule_run; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.schedule_run VALUES ('monitors:tiny', 1893636000000000);


--
-- Data for Name: snapshot; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.snapshot VALUES ('s1', 'tiny', 'dddddddddddddddddddddddddddddddd', 'x', 1, NULL, NULL, 0, '{}');
INSERT INTO public.snapshot VALUES ('01a1fd04-8ae9-7181-9d9c-6417483f7b54', 'tiny', '29eca1f87641690c304b955105498c92.dir', 'snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet', 60, NULL, NULL, 1893628800000000, '{"recent_rows":0,"delivered_rows":60,"production_rows":0,"deliveries":["bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028"],"endpoint":"tiny","until_us":null,"contract":{"digest":"d509738101b3583c1bc0de5f374107faa6778d2024a92b8af4c9fccc3e172f95","left_out":0,"repeated":0,"quarantined_feed":0}}');


--
-- Data for Name: verification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.verification VALUES ('01a1fd04-8c61-7734-b2ab-5a647d3a2932', '01a1fd04-87d9-777d-9444-248d815656c6', 'done', 'ok', 1893628800000000, 1893636000000000, '{"params":{"version":2,"before":[{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{}},{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8}}]},"result":{"verdict":"ok","explanation":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0","before":{"data_drift":0.6,"model_quality of accuracy":0.5},"after":{"data_drift":0.6,"model_quality of accuracy":0.82}}}', 2);


--
-- Name: audit_head_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audit_head_id_seq', 1, false);


--
-- Name: event_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.event_position_seq', 18, true);


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
-- Name: verification fk_verification_action_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT fk_verification_action_id FOREIGN KEY (action_id) REFERENCES public.action_request(id);


--
-- PostgreSQL database dump complete
--


