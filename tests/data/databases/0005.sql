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


--
-- Name: audit_entry_take_next(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_entry_take_next() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ DECLARE head record; BEGIN SELECT sequence, hash INTO head FROM audit_head WHERE id = 1; IF NEW.sequence IS DISTINCT FROM head.sequence + 1 OR NEW.previous_hash IS DISTINCT FROM head.hash THEN RAISE EXCEPTION 'audit_entry is append-only: only the next entry is taken'; END IF; RETURN NEW; END $$;


--
-- Name: audit_head_move_on(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_head_move_on() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF NEW.id IS DISTINCT FROM OLD.id OR NEW.sequence IS DISTINCT FROM OLD.sequence + 1 OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE sequence = NEW.sequence AND hash = NEW.hash) THEN RAISE EXCEPTION 'audit_head only moves to the next entry'; END IF; RETURN NEW; END $$;


--
-- Name: audit_head_refuse(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_head_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'audit_head only moves to the next entry'; END $$;


--
-- Name: audit_head_stay_one(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_head_stay_one() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN IF EXISTS (SELECT 1 FROM audit_head) THEN RAISE EXCEPTION 'audit_head only moves to the next entry'; END IF; RETURN NEW; END $$;


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
    version integer NOT NULL,
    deadline_us bigint,
    needed integer DEFAULT 1 NOT NULL,
    owner character varying(128)
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
    revoked_us bigint,
    owner character varying(128),
    created_by character varying(128),
    expires_us bigint,
    last_used_us bigint
);


--
-- Name: approval_link; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.approval_link (
    id character varying(36) NOT NULL,
    action_id character varying(36) NOT NULL,
    person character varying(128) NOT NULL,
    word character varying(16) NOT NULL,
    token_hash character varying(64) NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    used_us bigint,
    voided_us bigint
);


--
-- Name: audit_about; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_about (
    kind character varying(16) NOT NULL,
    value character varying(200) NOT NULL,
    sequence bigint NOT NULL
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
-- Name: autonomy_pause; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.autonomy_pause (
    id character varying(36) NOT NULL,
    scope character varying(128) NOT NULL,
    from_us bigint NOT NULL,
    until_us bigint NOT NULL,
    reason text NOT NULL,
    actor character varying(128) NOT NULL,
    ended_us bigint,
    ended_by character varying(128)
);


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
    version integer NOT NULL,
    family character varying(16) DEFAULT 'model'::character varying NOT NULL
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
    error text,
    kind character varying(128),
    digest_key character varying(200),
    attachment text,
    fallback_of character varying(36)
);


--
-- Name: policy_decision; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.policy_decision (
    id character varying(36) NOT NULL,
    origin character varying(16) NOT NULL,
    model character varying(128) NOT NULL,
    incident_id character varying(36),
    action character varying(128),
    policy_hash character varying(64) NOT NULL,
    held boolean NOT NULL,
    at_us bigint NOT NULL,
    spec json NOT NULL
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
    at_us bigint NOT NULL,
    digest character varying(64),
    spec json
);


--
-- Name: request_once; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.request_once (
    actor character varying(128) NOT NULL,
    idempotency_key character varying(128) NOT NULL,
    operation character varying(128) NOT NULL,
    request_hash character varying(64) NOT NULL,
    status integer,
    answer json NOT NULL,
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
-- Name: session; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.session (
    id character varying(36) NOT NULL,
    token_hash character varying(64) NOT NULL,
    key_id character varying(36) NOT NULL,
    csrf_hash character varying(64) NOT NULL,
    address character varying(64) NOT NULL,
    created_us bigint NOT NULL,
    seen_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    ended_us bigint
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
    version integer NOT NULL,
    due_us bigint,
    deadline_us bigint
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
-- Name: vote; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.vote (
    id character varying(36) NOT NULL,
    action_id character varying(36) NOT NULL,
    owner character varying(128) NOT NULL,
    actor character varying(128) NOT NULL,
    word character varying(16) NOT NULL,
    via character varying(16) NOT NULL,
    comment text NOT NULL,
    at_us bigint NOT NULL
);


--
-- Name: webhook_receipt; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_receipt (
    source character varying(128) NOT NULL,
    digest character varying(64) NOT NULL,
    received_us bigint NOT NULL,
    answer json NOT NULL
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

INSERT INTO public.action_grant VALUES ('01a20134-b6a0-7b75-98cb-4fb8c28fe064', '01a20134-b624-7991-a6d0-1ff0c73052f7', 'retrain tiny on the data up to now, and release it if better', '["retrain","deploy"]', 'dana', 1893628800000000, 1894233600000000);


--
-- Data for Name: action_request; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.action_request VALUES ('01a20134-b624-7991-a6d0-1ff0c73052f7', 'retrain:tiny', 'retrain', 'tiny', 'tiny', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 'approval', 'succeeded', 'policy', 'dana', 1893628800000000, 1893628800000000, 1893628800000000, '{"id":"01a20134-b624-7991-a6d0-1ff0c73052f7","dedup_key":"retrain:tiny","kind":"retrain","model":"tiny","tier":"approval","purpose":"retrain tiny on the data up to now, and release it if better","requested_by":"policy","created_us":1893628800000000,"state":"succeeded","endpoint":"tiny","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","covers":["deploy"],"expires_us":1893715200000000,"predicted_impact":{"metric":"accuracy","now":0.5,"expected":0.8,"higher_is_better":true,"basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there"},"params":{"reason":"the inputs have moved to where the model knows little, and its quality fell"},"reason":"Real drift is answered by retraining","policy":{"rule":"Real drift is answered by retraining","actions":["retrain"],"tier":"approval","covers":["deploy"],"reason":"Real drift is answered by retraining","asked":[{"rule":"A feed that changed its units is quarantined","matched":false,"why":"it is for unit_change; the diagnosis is covariate_drift"},{"rule":"A trigger does not retrain a model while its data are broken","matched":false,"why":"it is for proposals of trigger; the origin is incident"},{"rule":"Real drift is answered by retraining","matched":true,"why":"all of its conditions hold"}],"tiers":{"retrain":"approval"},"expires":"P1D","raised":[],"diagnosis":"covariate_drift","role":"approver","approvers":1},"decided_by":"dana","decided_us":1893628800000000,"finished_us":1893628800000000,"deadline_us":1894838402000000,"outcome":"version 2 promoted: enough seen","effect":{"instead_of":1},"undoes":null,"owner":null,"role":"approver","needed":1,"version":5}', 5, 1894838402000000, 1, NULL);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0005');


--
-- Data for Name: alert; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alert VALUES ('01a20134-b4ed-77e3-a789-6e45b2c27a08', 'delivery:01a20134-b48d-7da4-959c-2e8eaf8da39c', 'rows_quarantined', 'medium', 'tiny', NULL, 'tiny: 1 of 61 rows (table) quarantined', NULL, 1893456000000000, '{"delivery_id":"01a20134-b48d-7da4-959c-2e8eaf8da39c","rows":61,"reasons":{"age: above 120":1},"broken_by_source":{}}');


--
-- Data for Name: api_key; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_key VALUES ('01a20134-b9ed-7fb9-9fb5-31443c8cc1c6', 'emil', 'approver', '706c284da604bb9afc2772af1a0f38c24c6746e59a04a26195c4763c1b9fbc96', 1893636000000000, NULL, NULL, NULL, NULL, NULL);


--
-- Data for Name: approval_link; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.approval_link VALUES ('kept-approval_link', '01a20134-b624-7991-a6d0-1ff0c73052f7', 'emil', 'approve', '0000000000000000000000000000000000000000000000000000000000000000', 1893636000000000, 1893636000000001, NULL, NULL);


--
-- Data for Name: audit_about; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_about VALUES ('model', 'tiny', 1);
INSERT INTO public.audit_about VALUES ('actor', 'local-admin', 1);
INSERT INTO public.audit_about VALUES ('day', '000000021915', 1);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 2);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b531-718b-891a-7a3e03242e69', 2);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 2);
INSERT INTO public.audit_about VALUES ('day', '000000021915', 2);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 3);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b531-718b-891a-7a3e03242e69', 3);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 3);
INSERT INTO public.audit_about VALUES ('day', '000000021915', 3);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 4);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b531-718b-891a-7a3e03242e69', 4);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 4);
INSERT INTO public.audit_about VALUES ('day', '000000021915', 4);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 5);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b531-718b-891a-7a3e03242e69', 5);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 5);
INSERT INTO public.audit_about VALUES ('day', '000000021915', 5);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 6);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 6);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 6);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 6);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 7);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 7);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 7);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 7);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 8);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 8);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 8);
INSERT INTO public.audit_about VALUES ('actor', 'policy', 8);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 8);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 9);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 9);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 10);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 10);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 10);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 10);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 10);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 11);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 11);
INSERT INTO public.audit_about VALUES ('job', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 11);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 11);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 11);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 11);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 12);
INSERT INTO public.audit_about VALUES ('job', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 12);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 12);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 12);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 12);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 12);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 13);
INSERT INTO public.audit_about VALUES ('job', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 13);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 13);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 13);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 13);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 13);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 14);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 14);
INSERT INTO public.audit_about VALUES ('job', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 14);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 14);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 14);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 14);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 14);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 15);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 15);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 15);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 15);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 16);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b83d-7729-a9ca-0ec986c04b39', 16);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 16);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 16);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 16);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 16);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 16);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 16);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 17);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b83d-7729-a9ca-0ec986c04b39', 17);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 17);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 17);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 17);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 17);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 17);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 17);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 18);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b83d-7729-a9ca-0ec986c04b39', 18);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 18);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 18);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 18);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 18);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 18);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 18);
INSERT INTO public.audit_about VALUES ('endpoint', 'tiny', 19);
INSERT INTO public.audit_about VALUES ('rollout', '01a20134-b83d-7729-a9ca-0ec986c04b39', 19);
INSERT INTO public.audit_about VALUES ('actor', 'dana', 19);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 19);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 19);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 19);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 19);
INSERT INTO public.audit_about VALUES ('version', 'tiny/2', 19);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 20);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 20);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 20);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 20);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 20);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 21);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 21);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 21);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 21);
INSERT INTO public.audit_about VALUES ('action', '01a20134-b624-7991-a6d0-1ff0c73052f7', 22);
INSERT INTO public.audit_about VALUES ('model', 'tiny', 22);
INSERT INTO public.audit_about VALUES ('incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 22);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 22);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 22);
INSERT INTO public.audit_about VALUES ('actor', 'conductor', 23);
INSERT INTO public.audit_about VALUES ('day', '000000021917', 23);


--
-- Data for Name: audit_entry; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_entry VALUES (1, '01a20134-b496-7108-945e-1ef9496e1d92', 1893456000000000, 'local-admin', 'delivery.accepted', 'delivery:tiny/01a20134-b48d-7da4-959c-2e8eaf8da39c', '{"after":null,"before":null,"detail":{"digest":"bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028","feed":null,"file":"rows.csv"},"reason":""}', '0000000000000000000000000000000000000000000000000000000000000000', 'fe2175454bf8ee56b7cf778f8a0e3ac729da16e86d38987230307ad88f9a0bb9');
INSERT INTO public.audit_entry VALUES (2, '01a20134-b536-7627-937b-74fd78b76609', 1893456000000000, 'dana', 'rollout.started', 'rollout:tiny/01a20134-b531-718b-891a-7a3e03242e69', '{"after":null,"before":null,"detail":{"action_id":null,"candidate":1,"stable":null},"reason":""}', 'fe2175454bf8ee56b7cf778f8a0e3ac729da16e86d38987230307ad88f9a0bb9', '948d497e0685888840f9cd2e38990cffd22fc57c6c74d7abf2657ac9701a6ad6');
INSERT INTO public.audit_entry VALUES (3, '01a20134-b549-7e8c-9e4d-4bb6c9170c23', 1893456000000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a20134-b531-718b-891a-7a3e03242e69', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":1,"evidence":[]},"reason":"loaded on the staging endpoint"}', '948d497e0685888840f9cd2e38990cffd22fc57c6c74d7abf2657ac9701a6ad6', '3a2d3ecb7f0eba29d2f1343568eac8428fca04770eafa35146871dbe551cceb1');
INSERT INTO public.audit_entry VALUES (4, '01a20134-b57b-78fb-974c-55b55c89ee49', 1893456000000000, 'conductor', 'rollout.baking', 'rollout:tiny/01a20134-b531-718b-891a-7a3e03242e69', '{"after":{"phase":"baking","weight_pct":"100"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":1,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic"}', '3a2d3ecb7f0eba29d2f1343568eac8428fca04770eafa35146871dbe551cceb1', '543b8ec038ac58d4313906b8ff89edc8c871b92ccaf579ff7802506aa22c68f0');
INSERT INTO public.audit_entry VALUES (5, '01a20134-b58f-77cd-a1f0-161d677a44d2', 1893456000000000, 'conductor', 'rollout.promoted', 'rollout:tiny/01a20134-b531-718b-891a-7a3e03242e69', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"baking","weight_pct":"100"},"detail":{"candidate":1,"evidence":[]},"reason":"all traffic: it is served; promoted"}', '543b8ec038ac58d4313906b8ff89edc8c871b92ccaf579ff7802506aa22c68f0', 'd7d97e33dfa0f99cce05cec15a5d9e915eafd9c412b31643ae77d826df82235e');
INSERT INTO public.audit_entry VALUES (6, '01a20134-b5f6-7128-8a66-588db101210c', 1893628800000000, 'conductor', 'incident.opened', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"after":{"state":"open","title":"tiny: data_drift of all: breach"},"before":null,"detail":{"at_us":1893628800000000,"model":"tiny","run_id":"01a20134-b5db-754c-964e-5173d2a39ead"},"reason":"data_drift of all: breach; model_quality of all: breach"}', 'd7d97e33dfa0f99cce05cec15a5d9e915eafd9c412b31643ae77d826df82235e', '50417c6e8ccf9566b70eef82719f55d291114fa7a4728211caafb87a195ff2e0');
INSERT INTO public.audit_entry VALUES (7, '01a20134-b613-7cd6-8006-3850e8d03c8d', 1893628800000000, 'conductor', 'incident.diagnosed', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"after":{"diagnosis":"covariate_drift","severity":0.441},"before":null,"detail":{},"reason":"the inputs have moved to where the model knows little, and its quality fell"}', '50417c6e8ccf9566b70eef82719f55d291114fa7a4728211caafb87a195ff2e0', '68ace5f359db8bf021deecb0fca3f86f49a375f5bef31be389afab97db587b8f');
INSERT INTO public.audit_entry VALUES (8, '01a20134-b629-7ea1-8fb0-53f7e65908d7', 1893628800000000, 'policy', 'action.requested', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"after":{"state":"waiting_approval","tier":"approval"},"before":null,"detail":{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","kind":"retrain","model":"tiny","purpose":"retrain tiny on the data up to now, and release it if better","rule":"Real drift is answered by retraining"},"reason":"Real drift is answered by retraining"}', '68ace5f359db8bf021deecb0fca3f86f49a375f5bef31be389afab97db587b8f', 'a5d0153b8d24cc95ba053603c498d55d9769e67a9bfd9215486ebe2996adf4d3');
INSERT INTO public.audit_entry VALUES (9, '01a20134-b62b-7190-95f1-26e9f8e1ad19', 1893628800000000, 'conductor', 'policy.changed', 'policy', '{"after":{"policy":{"autonomy":true,"limits":{"cooldown":"10m"},"rules":[{"name":"A feed that changed its units is quarantined","then":{"actions":["quarantine_feed","notify_owner"],"tier":"automatic"},"when":{"diagnosis":["unit_change"],"origin":["incident"]}},{"name":"A trigger does not retrain a model while its data are broken","then":{"tier":"refuse"},"when":{"open_diagnosis":["unit_change"],"origin":["trigger"]}},{"name":"Real drift is answered by retraining","then":{"actions":["retrain"],"covers":["deploy"],"expires":"1d","tier":"approval"},"when":{"diagnosis":["covariate_drift","concept_drift"],"origin":["incident"]}},{"name":"A trigger or a person may ask for a retraining","then":{"covers":["deploy"],"expires":"1d","tier":"approval"},"when":{"action":["retrain"],"origin":["trigger","person"]}},{"name":"Going back is approved by a person","then":{"tier":"approval"},"when":{"action":["roll_back"]}},{"name":"What nobody understands is written down","then":{"actions":["log"],"tier":"automatic"},"when":{"diagnosis":["unknown"],"origin":["incident"]}}]},"sha256":"3d8ce1cef2bb0917ee9a81ccdb4ddc5d004369db8bc3f56b28ce0277a286eda2"},"before":{},"detail":{},"reason":"the first decision under this policy.yaml"}', 'a5d0153b8d24cc95ba053603c498d55d9769e67a9bfd9215486ebe2996adf4d3', '8571d4fd1f5bff76261d7e471be4a3ff8ae45ed57373d158013dd12040e0473e');
INSERT INTO public.audit_entry VALUES (10, '01a20134-b6a8-7092-b757-6f731a6a53a6', 1893628800000000, 'dana', 'action.approved', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"after":{"state":"approved"},"before":{"state":"waiting_approval"},"detail":{"agreed":["dana"],"covers":["deploy"],"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","kind":"retrain","model":"tiny","needed":1,"person":"dana","purpose":"retrain tiny on the data up to now, and release it if better","via":"api"},"reason":"seen"}', '8571d4fd1f5bff76261d7e471be4a3ff8ae45ed57373d158013dd12040e0473e', 'bc648cb9f49c7178003ef53bbd6c2374bdf90a886430e4718e47a78949e08abb');
INSERT INTO public.audit_entry VALUES (11, '01a20134-b6bd-7f20-916f-20e6f8a85346', 1893628800000000, 'dana', 'training.requested', 'model:tiny', '{"after":null,"before":null,"detail":{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37"},"reason":""}', 'bc648cb9f49c7178003ef53bbd6c2374bdf90a886430e4718e47a78949e08abb', 'a42a623abd175fa74b5913be2b8ccebacbeec2115050c2af68c65ace1cecc4dd');
INSERT INTO public.audit_entry VALUES (12, '01a20134-b7ab-7226-ad0a-60d6158a2159', 1893628800000000, 'conductor', 'snapshot.made', 'snapshot:tiny/01a20134-b789-7e58-925b-676c973e903b', '{"after":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","recent_rows":0,"rows":60},"before":null,"detail":{"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37"},"reason":""}', 'a42a623abd175fa74b5913be2b8ccebacbeec2115050c2af68c65ace1cecc4dd', 'f9f48adaa66fbb964aaf3892ba105b0f3f874da347536a8eb667a860e46d4847');
INSERT INTO public.audit_entry VALUES (13, '01a20134-b7f9-7963-b275-2689c39d8bfb', 1893628800000000, 'conductor', 'training.succeeded', 'model:tiny', '{"after":{"algorithm":"linear","metrics":{"accuracy":0.85},"status":"succeeded"},"before":null,"detail":{"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37"},"reason":""}', 'f9f48adaa66fbb964aaf3892ba105b0f3f874da347536a8eb667a860e46d4847', 'af58c8996b4ca9ce6558d333ffcfdba435c921137ce0047e1c38a12c76f38e5d');
INSERT INTO public.audit_entry VALUES (14, '01a20134-b82b-787d-8a8a-6a111b6edf64', 1893628800000000, 'conductor', 'version.registered', 'version:tiny/2', '{"after":{"algorithm":"linear","digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","metrics":{"accuracy":0.85}},"before":null,"detail":{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37","run_id":null},"reason":""}', 'af58c8996b4ca9ce6558d333ffcfdba435c921137ce0047e1c38a12c76f38e5d', 'aac7002b9d8fc4226ab024202acf8ecf7873c8e2a0b3edbce61a05440a817980');
INSERT INTO public.audit_entry VALUES (15, '01a20134-b839-73cf-aa93-59a096b30ce4', 1893628800000000, 'dana', 'version.approved', 'version:tiny/2', '{"after":{"state":"approved"},"before":{"state":"pending"},"detail":{},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 'aac7002b9d8fc4226ab024202acf8ecf7873c8e2a0b3edbce61a05440a817980', 'ad8b374e499005609a46e813621f0f6a910ac4cb835681275efd6b40e3a688ae');
INSERT INTO public.audit_entry VALUES (16, '01a20134-b83f-740e-96a2-464b159bc451', 1893628800000000, 'dana', 'rollout.started', 'rollout:tiny/01a20134-b83d-7729-a9ca-0ec986c04b39', '{"after":null,"before":null,"detail":{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","candidate":2,"stable":1},"reason":""}', 'ad8b374e499005609a46e813621f0f6a910ac4cb835681275efd6b40e3a688ae', 'a5fd2b4acb6e94b1f1eb7bad8ebf81d231e84034f60fb35561d2cf776be00929');
INSERT INTO public.audit_entry VALUES (17, '01a20134-b872-7dd2-8574-26d7f26abfdf', 1893628800000000, 'conductor', 'rollout.smoke', 'rollout:tiny/01a20134-b83d-7729-a9ca-0ec986c04b39', '{"after":{"phase":"smoke","weight_pct":"0"},"before":{"phase":"staging","weight_pct":"0"},"detail":{"candidate":2,"evidence":[]},"reason":"loaded on the staging endpoint"}', 'a5fd2b4acb6e94b1f1eb7bad8ebf81d231e84034f60fb35561d2cf776be00929', 'a219ed6e6ed240b9130f469d0b1d52b21ae829a3d9b734f0a193721aeabb73fa');
INSERT INTO public.audit_entry VALUES (18, '01a20134-b883-715a-acfe-5d1467589e11', 1893628800000000, 'conductor', 'rollout.canary', 'rollout:tiny/01a20134-b83d-7729-a9ca-0ec986c04b39', '{"after":{"phase":"canary","weight_pct":"20"},"before":{"phase":"smoke","weight_pct":"0"},"detail":{"candidate":2,"evidence":[{"alpha":null,"candidate_n":0,"e_harm":null,"e_safe":null,"limit":0.001,"lower":null,"name":"smoke_max_abs_difference","required":true,"stable_n":0,"upper":null,"value":0.0,"verdict":"ok","why":"6 golden rows, largest difference 0, limit 0.001"}]},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %"}', 'a219ed6e6ed240b9130f469d0b1d52b21ae829a3d9b734f0a193721aeabb73fa', '9072778e914dc4c24139eb9e1750362fc3155c86090fe9d365bc446bea9f511c');
INSERT INTO public.audit_entry VALUES (19, '01a20134-b8a1-7c7e-bc36-653d38b01345', 1893628800000000, 'dana', 'rollout.promoted', 'rollout:tiny/01a20134-b83d-7729-a9ca-0ec986c04b39', '{"after":{"phase":"promoted","weight_pct":"100"},"before":{"phase":"canary","weight_pct":"20"},"detail":{"candidate":2,"evidence":[]},"reason":"enough seen"}', '9072778e914dc4c24139eb9e1750362fc3155c86090fe9d365bc446bea9f511c', '5b92d3f35a7a7bb94220449b75a3e7c8cb3dc57edab1d247741f831fa37c9c18');
INSERT INTO public.audit_entry VALUES (20, '01a20134-b8b3-7e46-863c-72e70ac4e3ba', 1893628800000000, 'conductor', 'action.succeeded', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"after":null,"before":null,"detail":{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","kind":"retrain","model":"tiny"},"reason":"version 2 promoted: enough seen"}', '5b92d3f35a7a7bb94220449b75a3e7c8cb3dc57edab1d247741f831fa37c9c18', 'a2809b356f59dd18cfd64c9ad6d33e2c22e09dc6a65f008dd023c4002fd61a9b');
INSERT INTO public.audit_entry VALUES (21, '01a20134-b93a-787f-b0c4-46153fde24b2', 1893636000000000, 'conductor', 'incident.recovered', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"after":{"state":"resolved","title":"tiny: covariate drift"},"before":null,"detail":{"at_us":1893636000000000,"model":"tiny","run_id":"01a20134-b91b-7e48-9eb6-5e73c5ac5467"},"reason":"all of 2 breaches are ok in a later window"}', 'a2809b356f59dd18cfd64c9ad6d33e2c22e09dc6a65f008dd023c4002fd61a9b', '59f92f2a73811ef89146ec43fe4ec8b41859fede2a03eae7386f38c9c3d90618');
INSERT INTO public.audit_entry VALUES (22, '01a20134-b97a-7a7b-9f59-22403fb2cd21', 1893636000000000, 'conductor', 'action.verified', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"after":{"data_drift":0.6,"model_quality of accuracy":0.82},"before":{"data_drift":0.6,"model_quality of accuracy":0.5},"detail":{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","kind":"retrain","model":"tiny","verdict":"ok"},"reason":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}', '59f92f2a73811ef89146ec43fe4ec8b41859fede2a03eae7386f38c9c3d90618', '46144279f9818ef2a067485d0be4beb63f1b15043e2b5fdb1460ee40e9b2495e');
INSERT INTO public.audit_entry VALUES (23, '01a20134-ba2c-7460-8879-4b3a5f02ec5d', 1893636000000000, 'conductor', 'audit.key_changed', 'audit:key', '{"after":"94e0eea3fe710a64","before":null,"detail":{"public_key":"dfea2f03b3cbbd728712cc99a63043f3f25e9ad2fa6c9eae638c85a371679f13","signature":"ffaa4e2e2f1f763d1625cf60b65b8465ff1c90db05337a07bd93047f467a4427d582e5a404badf84f62a85ac35e928129a7952bfe86e229fe8c188b1f6d5d405","signature_before":null},"reason":"no checkpoint was signed before"}', '46144279f9818ef2a067485d0be4beb63f1b15043e2b5fdb1460ee40e9b2495e', 'd4b24aef7662bd256ea9443e87dec277ff6bea3130fb84b721e4982da80ded31');


--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_head VALUES (1, 23, 'd4b24aef7662bd256ea9443e87dec277ff6bea3130fb84b721e4982da80ded31');


--
-- Data for Name: autonomy_pause; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.autonomy_pause VALUES ('kept-autonomy_pause', '*', 1893636000000000, 1893636000000001, 'kept', 'emil', NULL, NULL);


--
-- Data for Name: check_result; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.check_result VALUES ('01a20134-b5dd-7130-9711-64f3a38cfa16', '01a20134-b5db-754c-964e-5173d2a39ead', 'tiny', 'tiny', 'v1', 1, 'data_drift', 'data_drift', NULL, 1893625200000000, 1893628800000000, 0.6, 0.2, 0.6, 'breach', 'high', 1893628800000000, '{"explanation":"data_drift of all: breach","detail":{},"opens":true}');
INSERT INTO public.check_result VALUES ('01a20134-b5dd-7130-9711-64f3a38cfa17', '01a20134-b5db-754c-964e-5173d2a39ead', 'tiny', 'tiny', 'v1', 1, 'model_quality', 'model_quality', NULL, 1893625200000000, 1893628800000000, 0.5, 0.2, 0.5, 'breach', 'high', 1893628800000000, '{"explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}');
INSERT INTO public.check_result VALUES ('01a20134-b91c-7aa4-93c9-2239bdcdf197', '01a20134-b91b-7e48-9eb6-5e73c5ac5467', 'tiny', 'tiny', 'v2', 2, 'data_drift', 'data_drift', NULL, 1893632400000000, 1893636000000000, 0.6, 0.2, 0.6, 'ok', 'high', 1893636000000000, '{"explanation":"data_drift of all: ok","detail":{},"opens":true}');
INSERT INTO public.check_result VALUES ('01a20134-b91c-7aa4-93c9-2239bdcdf198', '01a20134-b91b-7e48-9eb6-5e73c5ac5467', 'tiny', 'tiny', 'v2', 2, 'model_quality', 'model_quality', NULL, 1893632400000000, 1893636000000000, 0.82, 0.2, 0.82, 'ok', 'high', 1893636000000000, '{"explanation":"model_quality of all: ok","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}');


--
-- Data for Name: delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.delivery VALUES ('01a20134-b48d-7da4-959c-2e8eaf8da39c', 'tiny:bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028', 'table', 'tiny', NULL, NULL, 'raw/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.csv', 'processed', 61, 60, 1, 1893456000000000, 1893456000000000, '{"name":"rows.csv","reasons":{"age: above 120":1},"remedies":{"age: above 120":"first in row 61 (age: 999 is above 120); correct it, or widen min and max in contract.yaml"},"broken_by_source":{},"span_us":null,"quarantine_path":"quarantine/tables/tiny/bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028.parquet","error":null}', 2);


--
-- Data for Name: endpoint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint VALUES ('tiny-staging', 'tiny', 4, 1893628800000000, '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"salt":"","record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 4);
INSERT INTO public.endpoint VALUES ('tiny', 'tiny', 3, 1893628800000000, '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"salt":"132ff57bc00b7000c805d50a26b2ad1b","record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 3);


--
-- Data for Name: endpoint_history; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.endpoint_history VALUES ('tiny-staging', 1, 1893456000000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"100","role":"live"}],"sticky_key":null,"salt":"","record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893456000000000, '01a20134-b531-718b-891a-7a3e03242e69');
INSERT INTO public.endpoint_history VALUES ('tiny', 1, 1893456000000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic', '{"schema_version":1,"endpoint":"tiny","generation":1,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"100","role":"live"}],"sticky_key":null,"salt":"132ff57bc00b7000c805d50a26b2ad1b","record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893456000000000, '01a20134-b531-718b-891a-7a3e03242e69');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 2, 1893456000000000, 'conductor', 'all traffic: it is served; promoted', '{"schema_version":1,"endpoint":"tiny-staging","generation":2,"variants":[],"sticky_key":null,"salt":"","record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893456000000000, '01a20134-b531-718b-891a-7a3e03242e69');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 3, 1893628800000000, 'dana', 'rollout starts', '{"schema_version":1,"endpoint":"tiny-staging","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"salt":"","record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893628800000000, '01a20134-b83d-7729-a9ca-0ec986c04b39');
INSERT INTO public.endpoint_history VALUES ('tiny', 2, 1893628800000000, 'conductor', 'smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %', '{"schema_version":1,"endpoint":"tiny","generation":2,"variants":[{"name":"v1","model":"tiny","model_version":1,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812","weight_pct":"80","role":"live"},{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"20","role":"live"}],"sticky_key":null,"salt":"132ff57bc00b7000c805d50a26b2ad1b","record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893628800000000, '01a20134-b83d-7729-a9ca-0ec986c04b39');
INSERT INTO public.endpoint_history VALUES ('tiny-staging', 4, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny-staging","generation":4,"variants":[],"sticky_key":null,"salt":"","record":false,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893628800000000, '01a20134-b83d-7729-a9ca-0ec986c04b39');
INSERT INTO public.endpoint_history VALUES ('tiny', 3, 1893628800000000, 'dana', 'enough seen', '{"schema_version":1,"endpoint":"tiny","generation":3,"variants":[{"name":"v2","model":"tiny","model_version":2,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","weight_pct":"100","role":"live"}],"sticky_key":null,"salt":"132ff57bc00b7000c805d50a26b2ad1b","record":true,"log":{"on_full":"refuse"},"variant_choice":true,"max_rows":10000,"max_body_bytes":8000000,"pinned":false,"batching":null,"features":null,"autoscaling":null,"scaled_to":null,"cache_epoch":0,"paused":null}', 1893628800000000, '01a20134-b83d-7729-a9ca-0ec986c04b39');


--
-- Data for Name: event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event VALUES (1, '01a20134-b4ee-7c8c-a312-6b62d33d7541', 'alert.raised', 'model:tiny', '{"alert_id":"01a20134-b4ed-77e3-a789-6e45b2c27a08","kind":"rows_quarantined","model":"tiny","title":"tiny: 1 of 61 rows (table) quarantined","severity":"medium","reasons":{"age: above 120":1}}', 1893456000000000);
INSERT INTO public.event VALUES (2, '01a20134-b545-7b2e-9745-0d04e0496f28', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a20134-b531-718b-891a-7a3e03242e69","model":"tiny","phase":"smoke"}', 1893456000000000);
INSERT INTO public.event VALUES (3, '01a20134-b57a-7d55-9db0-77a3498952f9', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a20134-b531-718b-891a-7a3e03242e69","model":"tiny","phase":"baking"}', 1893456000000000);
INSERT INTO public.event VALUES (4, '01a20134-b586-73b4-948e-24c6396de657', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":1}', 1893456000000000);
INSERT INTO public.event VALUES (5, '01a20134-b58d-744b-b679-3d87d4f71a89', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a20134-b531-718b-891a-7a3e03242e69","model":"tiny","phase":"promoted"}', 1893456000000000);
INSERT INTO public.event VALUES (6, '01a20134-b5de-767d-87e0-2ef778d8727e', 'checks.completed', 'model:tiny', '{"run_id":"01a20134-b5db-754c-964e-5173d2a39ead","model":"tiny","endpoint":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (7, '01a20134-b5f5-7adc-aed1-6e3d98c303d4', 'incident.opened', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","model":"tiny","run_id":"01a20134-b5db-754c-964e-5173d2a39ead","at_us":1893628800000000}', 1893628800000000);
INSERT INTO public.event VALUES (8, '01a20134-b612-72e6-b5c3-72d1c6fd48bd', 'incident.diagnosed', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","model":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (9, '01a20134-b627-7728-9dfe-5b31c47bf976', 'action.waiting', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","model":"tiny","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1"}', 1893628800000000);
INSERT INTO public.event VALUES (10, '01a20134-b6a5-7aa8-83a4-59a9ed73129b', 'action.approved', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","model":"tiny","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1"}', 1893628800000000);
INSERT INTO public.event VALUES (11, '01a20134-b6bc-7a80-95d2-290f36aa259f', 'training.requested', 'model:tiny', '{"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37","model":"tiny"}', 1893628800000000);
INSERT INTO public.event VALUES (12, '01a20134-b7f8-764f-b32b-5c052e476ebe', 'job.finished', 'model:tiny', '{"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (13, '01a20134-b82a-7280-bb25-5b94b417a8fa', 'version.registered', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (14, '01a20134-b838-7899-b290-7e6a0b0108fb', 'version.decided', 'model:tiny', '{"model":"tiny","number":2}', 1893628800000000);
INSERT INTO public.event VALUES (15, '01a20134-b871-7699-95f8-2a32ab16e329', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a20134-b83d-7729-a9ca-0ec986c04b39","model":"tiny","phase":"smoke"}', 1893628800000000);
INSERT INTO public.event VALUES (16, '01a20134-b882-7ae4-93c5-4903f51af70b', 'rollout.moved', 'model:tiny', '{"rollout_id":"01a20134-b83d-7729-a9ca-0ec986c04b39","model":"tiny","phase":"canary"}', 1893628800000000);
INSERT INTO public.event VALUES (17, '01a20134-b88f-79ff-8ee0-3fda299cb3c4', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":2}', 1893628800000000);
INSERT INTO public.event VALUES (18, '01a20134-b8a0-75a2-af69-29d902f9010d', 'rollout.finished', 'model:tiny', '{"rollout_id":"01a20134-b83d-7729-a9ca-0ec986c04b39","model":"tiny","phase":"promoted"}', 1893628800000000);
INSERT INTO public.event VALUES (19, '01a20134-b8a6-7af4-b86a-5f079bdec5c8', 'endpoint.served', 'model:tiny', '{"model":"tiny","endpoint":"tiny","generation":3}', 1893628800000000);
INSERT INTO public.event VALUES (20, '01a20134-b8b2-79a6-8917-720de3c09f0a', 'action.finished', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","model":"tiny","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","state":"succeeded"}', 1893628800000000);
INSERT INTO public.event VALUES (21, '01a20134-b91d-7c0f-8dc5-3b96e4d34621', 'checks.completed', 'model:tiny', '{"run_id":"01a20134-b91b-7e48-9eb6-5e73c5ac5467","model":"tiny","endpoint":"tiny"}', 1893636000000000);
INSERT INTO public.event VALUES (22, '01a20134-b939-7688-9192-61820de48acc', 'incident.recovered', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', '{"incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","model":"tiny","run_id":"01a20134-b91b-7e48-9eb6-5e73c5ac5467","at_us":1893636000000000}', 1893636000000000);
INSERT INTO public.event VALUES (23, '01a20134-b978-7cd0-a3b2-086e81fd1f9e', 'action.verified', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', '{"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","model":"tiny","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1"}', 1893636000000000);


--
-- Data for Name: event_delivery; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event_delivery VALUES ('01a20134-b545-7b2e-9745-0d04e0496f28', 'projection', 'model:tiny', 2, 'pending', 0, 1795316561221232, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b91d-7c0f-8dc5-3b96e4d34621', 'incidents', 'model:tiny', 21, 'done', 1, 1795316562205315, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b4ee-7c8c-a312-6b62d33d7541', 'messages', 'model:tiny', 1, 'done', 1, 1795316561134985, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b57a-7d55-9db0-77a3498952f9', 'projection', 'model:tiny', 3, 'pending', 0, 1795316561274944, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b586-73b4-948e-24c6396de657', 'projection', 'model:tiny', 4, 'pending', 0, 1795316561286145, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b58d-744b-b679-3d87d4f71a89', 'projection', 'model:tiny', 5, 'pending', 0, 1795316561293776, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b82a-7280-bb25-5b94b417a8fa', 'projection', 'model:tiny', 13, 'pending', 0, 1795316561962724, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b58d-744b-b679-3d87d4f71a89', 'rollouts', 'model:tiny', 5, 'done', 1, 1795316561293776, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b58d-744b-b679-3d87d4f71a89', 'evidence', 'model:tiny', 5, 'done', 1, 1795316561293776, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b58d-744b-b679-3d87d4f71a89', 'lineage', 'model:tiny', 5, 'done', 1, 1795316561293776, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b838-7899-b290-7e6a0b0108fb', 'projection', 'model:tiny', 14, 'pending', 0, 1795316561976454, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b5de-767d-87e0-2ef778d8727e', 'incidents', 'model:tiny', 6, 'done', 1, 1795316561374863, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b7f8-764f-b32b-5c052e476ebe', 'adoption', 'model:tiny', 12, 'done', 1, 1795316561912763, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b5f5-7adc-aed1-6e3d98c303d4', 'remediation', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 7, 'done', 1, 1795316561397429, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8a0-75a2-af69-29d902f9010d', 'evidence', 'model:tiny', 18, 'done', 1, 1795316562080297, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b5de-767d-87e0-2ef778d8727e', 'triggers', 'model:tiny', 6, 'done', 1, 1795316561374863, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b7f8-764f-b32b-5c052e476ebe', 'failures', 'model:tiny', 12, 'done', 1, 1795316561912763, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b5de-767d-87e0-2ef778d8727e', 'verification', 'model:tiny', 6, 'done', 1, 1795316561374863, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b91d-7c0f-8dc5-3b96e4d34621', 'verification', 'model:tiny', 21, 'done', 1, 1795316562205315, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b5f5-7adc-aed1-6e3d98c303d4', 'messages', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 7, 'done', 1, 1795316561397429, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b82a-7280-bb25-5b94b417a8fa', 'messages', 'model:tiny', 13, 'done', 1, 1795316561962724, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b612-72e6-b5c3-72d1c6fd48bd', 'evidence', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 8, 'done', 1, 1795316561426463, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8a0-75a2-af69-29d902f9010d', 'lineage', 'model:tiny', 18, 'done', 1, 1795316562080297, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b627-7728-9dfe-5b31c47bf976', 'messages', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 9, 'done', 1, 1795316561447186, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b7f8-764f-b32b-5c052e476ebe', 'lineage', 'model:tiny', 12, 'done', 1, 1795316561912763, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b6a5-7aa8-83a4-59a9ed73129b', 'actions', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 10, 'done', 1, 1795316561573459, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b939-7688-9192-61820de48acc', 'remediation', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 22, 'done', 1, 1795316562233794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b6bc-7a80-95d2-290f36aa259f', 'trainings', 'model:tiny', 11, 'done', 1, 1795316561596891, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b82a-7280-bb25-5b94b417a8fa', 'lineage', 'model:tiny', 13, 'done', 1, 1795316561962724, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b6bc-7a80-95d2-290f36aa259f', 'lineage', 'model:tiny', 11, 'done', 1, 1795316561596891, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b871-7699-95f8-2a32ab16e329', 'projection', 'model:tiny', 15, 'pending', 0, 1795316562033461, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b882-7ae4-93c5-4903f51af70b', 'projection', 'model:tiny', 16, 'pending', 0, 1795316562050701, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b88f-79ff-8ee0-3fda299cb3c4', 'projection', 'model:tiny', 17, 'pending', 0, 1795316562063220, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8a0-75a2-af69-29d902f9010d', 'projection', 'model:tiny', 18, 'pending', 0, 1795316562080297, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8a6-7af4-b86a-5f079bdec5c8', 'projection', 'model:tiny', 19, 'pending', 0, 1795316562087006, 0, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8b2-79a6-8917-720de3c09f0a', 'verification', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 20, 'done', 1, 1795316562098154, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8a0-75a2-af69-29d902f9010d', 'rollouts', 'model:tiny', 18, 'done', 1, 1795316562080297, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8b2-79a6-8917-720de3c09f0a', 'messages', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 20, 'done', 1, 1795316562098154, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b8b2-79a6-8917-720de3c09f0a', 'evidence', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 20, 'done', 1, 1795316562098154, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b939-7688-9192-61820de48acc', 'messages', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 22, 'done', 1, 1795316562233794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b91d-7c0f-8dc5-3b96e4d34621', 'triggers', 'model:tiny', 21, 'done', 1, 1795316562205315, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b939-7688-9192-61820de48acc', 'verification', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 22, 'done', 1, 1795316562233794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b939-7688-9192-61820de48acc', 'evidence', 'incident:01a20134-b5f1-7b73-8fa0-7343fd7112b1', 22, 'done', 1, 1795316562233794, 1, NULL, NULL);
INSERT INTO public.event_delivery VALUES ('01a20134-b978-7cd0-a3b2-086e81fd1f9e', 'evidence', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 23, 'done', 1, 1795316562296362, 1, NULL, NULL);


--
-- Data for Name: feed; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.feed VALUES ('tiny', 'clinic', 'open', NULL, '{"intervals":[{"since_us":1893636000000000,"until_us":1893636000000001,"reason":"mg became g"}],"changed_us":1893636000000000}', 2);


--
-- Data for Name: heartbeat; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.heartbeat VALUES ('control-plane', 13479, 1795316562437156, 1795316562437198, '{"start_ticks":8693267}');


--
-- Data for Name: incident; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.incident VALUES ('01a20134-b5f1-7b73-8fa0-7343fd7112b1', 'tiny', 'tiny', 'resolved', 'covariate_drift', 0.441, 'tiny: covariate drift', 1893628800000000, 1893636000000000, '{"signals":[{"first_us":1893625200000000,"check":{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{},"opens":true},"recovered_us":1893636000000000},{"first_us":1893625200000000,"check":{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true},"recovered_us":1893636000000000}],"alerts":[],"timeline":[{"at_us":1893628800000000,"actor":"trimtab","what":"opened","why":"data_drift of all: breach; model_quality of all: breach"},{"at_us":1893628800000000,"actor":"trimtab","what":"diagnosed: covariate drift","why":"the inputs have moved to where the model knows little, and its quality fell"},{"at_us":1893628800000000,"actor":"trimtab","what":"policy: retrain (approval)","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain approved by dana","why":"seen"},{"at_us":1893628800000000,"actor":"trimtab","what":"retrain: started","why":"Real drift is answered by retraining"},{"at_us":1893628800000000,"actor":"trimtab","what":"version 2 is rolled out","why":"accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"},{"at_us":1893628800000000,"actor":"trimtab","what":"rollout of version 2: promoted","why":"enough seen"},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: data_drift","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"ok again: model_quality of accuracy","why":""},{"at_us":1893636000000000,"actor":"trimtab","what":"recovered","why":"all of 2 breaches are ok in a later window"},{"at_us":1893636000000000,"actor":"trimtab","what":"verified: ok","why":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0"}],"diagnosis":{"kind":"covariate_drift","severity":0.441,"parts":[{"name":"impact","weight":0.35,"value":0.37500000000000006,"why":"accuracy 0.5, 0.8 before"},{"name":"excess","weight":0.15,"value":0.47712125471966244,"why":"data_drift: 0.6 against 0.2"},{"name":"loudness","weight":0.2,"value":0.6666666666666666,"why":"data_drift is of severity high"},{"name":"duration","weight":0.1,"value":0.16666666666666666,"why":"for 1.0 windows"}],"columns":[],"factor":null,"since_us":1893625200000000,"evidence_for":["the inputs as a whole have drifted","model_quality of all: breach"],"evidence_against":[],"explanation":"the inputs have moved to where the model knows little, and its quality fell","unexplained":[],"facts":[{"name":"column_empty","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"column_stuck","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"renamed_or_swapped","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"new_values","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"contract_broken","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"duplicated","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"unit","holds":false,"why":"no check says so","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"inputs_moved","holds":true,"why":"the inputs as a whole have drifted","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"inputs_partly","holds":false,"why":"no input column drifted","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"inputs_still","holds":false,"why":"the inputs as a whole have drifted","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"columns_that_matter_moved","holds":false,"why":"no input column drifted","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"several_columns_moved","holds":false,"why":"no input column drifted","columns":[],"row_share":null,"since_us":null,"factor":null},{"name":"quality_fell","holds":true,"why":"model_quality of all: breach","columns":[],"row_share":null,"since_us":1893625200000000,"factor":null},{"name":"released_before","holds":false,"why":"no version was released shortly before","columns":[],"row_share":null,"since_us":null,"factor":null}],"seen_us":1893628800000000},"told_us":1893628800000000,"told_severity":"high"}', 9, 'model');


--
-- Data for Name: job; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.job VALUES ('j1', 'training', 'tiny', 'j1', 'succeeded', 1, 'x', 0, NULL, NULL, '{}', 1);
INSERT INTO public.job VALUES ('01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 'training', 'tiny', 'action:01a20134-b624-7991-a6d0-1ff0c73052f7', 'succeeded', 1, '/tmp/tmphyvjmliu/server/project/.trimtab/jobs/01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 1893628800000000, 1893628800000000, NULL, '{"until_us":null,"action_id":"01a20134-b624-7991-a6d0-1ff0c73052f7","asked_by":"dana","request":{"schema_version":1,"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37","model":{"name":"tiny","description":"","task":"binary","answers":"realtime","target":"disease","positive_class":"yes","key":"row_id","time":null,"time_features":false,"ignore":[],"label_delay":"0s","metrics":["accuracy","f1"],"primary_metric":null,"criticality":1.0,"feeds":{"clinic":{"owner":"the clinic''s data desk","notify":null}},"costs":{"retrain":null,"release":null}},"contract":{"columns":{"row_id":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":null,"format":null,"missing":[]},"age":{"type":"number","description":"","unit":null,"nullable":false,"min":0.0,"max":120.0,"values":null,"format":null,"missing":[]},"chol":{"type":"number","description":"","unit":null,"nullable":true,"min":80.0,"max":700.0,"values":null,"format":null,"missing":[]},"sex":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["female","male"],"format":null,"missing":[]},"disease":{"type":"category","description":"","unit":null,"nullable":false,"min":null,"max":null,"values":["yes","no"],"format":null,"missing":[]}},"encoding":"utf-8","unique":["row_id"],"allow_extra_columns":false,"row_count":{"min":1,"max":null}},"training":{"split":{"type":"stratified","test_share":0.25,"refit":false},"cross_validation":null,"candidates":[{"type":"logistic_regression","trials":null,"space":{}}],"trials":1,"trial_timeout":"10m","time_limit":"6h","prune":true,"tuning_rows":50000,"class_balance":"auto","calibration":"auto","decision_threshold":null,"lookback":null,"target_transform":"none","gates":{},"parity_tolerance":0.0001,"golden_rows":64,"max_categories":100,"max_terms":2000,"explain_rows":500,"cache":true,"reference_blocks":12,"workers":1,"seed":42},"snapshot_path":"/tmp/tmphyvjmliu/server/project/.trimtab/lake/snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet","snapshot_id":"01a20134-b789-7e58-925b-676c973e903b","dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","mlflow_uri":"sqlite:////tmp/tmphyvjmliu/server/project/.trimtab/mlflow.db","mlflow_artifacts":"/tmp/tmphyvjmliu/server/project/.trimtab/mlflow-artifacts","experiment":"tiny/tiny","out_dir":"/tmp/tmphyvjmliu/server/project/.trimtab/jobs/01a20134-b6bb-7cdb-b2c8-751ec14b1e37","git_commit":null,"compare_with":null,"compare_digest":null,"compare_rows_path":null,"time_limit_s":21600.0,"cache_dir":"/tmp/tmphyvjmliu/server/project/.trimtab/cache/training","now_us":1893628800000000,"groups":[]},"result":{"schema_version":1,"job_id":"01a20134-b6bb-7cdb-b2c8-751ec14b1e37","status":"succeeded","bundle_dir":"/tmp/tmphyvjmliu/server/project/.trimtab/jobs/01a20134-b6bb-7cdb-b2c8-751ec14b1e37/bundle","digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","algorithm":"linear","run_id":null,"metrics":{"accuracy":0.85},"gates":[],"candidates":[],"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"steps":[],"pipeline":null,"rows":100,"notes":[],"error":null,"seconds":0.0},"version_number":2}', 4);


--
-- Data for Name: lease; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.lease VALUES ('lane:data', 'host.invalid:1:kept', 1, 1795316570425325);


--
-- Data for Name: model_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.model_version VALUES ('01a20134-b51c-7902-b8cf-474fff667670', 'tiny', 1, '197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812', '/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1', 'approved', 'linear', 's1', 'j1', NULL, 1893456000000000, 1893456000000000, 'dana', 0, '{"metrics":{"accuracy":0.8},"reason":""}', 2);
INSERT INTO public.model_version VALUES ('01a20134-b828-79f8-a5e7-47e119e7e02a', 'tiny', 2, '1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc', '/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc', 'approved', 'linear', '01a20134-b789-7e58-925b-676c973e903b', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', NULL, 1893628800000000, 1893628800000000, 'dana', 0, '{"dataset_hash":"29eca1f87641690c304b955105498c92.dir","config_hash":"ee99b3918007880b28b122b3b6a250004fc799d3cda12ba953b2b0a168d378f5","git_commit":null,"comparison":{"rows":200,"metric":"accuracy","candidate":{"accuracy":0.8},"current":{"accuracy":0.6},"gain":0.2,"loss_candidate":0.2,"loss_current":0.4,"loss_gain":0.2,"loss_gain_low":0.1,"loss_gain_high":0.30000000000000004,"current_digest":"0000000000000000000000000000000000000000000000000000000000000000"},"metrics":{"accuracy":0.85},"reason":"granted as ''retrain tiny on the data up to now, and release it if better''; accuracy better by 0.2; loss a row better by 0.1 to 0.3 (95 %) on 200 recent rows"}', 2);


--
-- Data for Name: monitor_state; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.monitor_state VALUES ('tiny', 'tiny', 'v2', 2, 'data_drift', 1893636000000000, '{"state":{"steps":3},"settings":"0000000000000000"}', 1);


--
-- Data for Name: notification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.notification VALUES ('01a20134-b561-73ce-889e-225e0c470da9', 'on-call:alert:tiny:rows_quarantined:age:21915', 'on-call', 'medium', 'tiny', 'tiny: 1 of 61 rows (table) quarantined', '1 × age: above 120', 'pending', 0, 0, 1893456000000000, NULL, 'alert', NULL, NULL, NULL);
INSERT INTO public.notification VALUES ('01a20134-b661-7f13-b7ae-7eeb0eb94bca', 'on-call:event:01a20134-b5f5-7adc-aed1-6e3d98c303d4', 'on-call', 'high', 'tiny', 'incident opened: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893628800000000, NULL, 'incident', NULL, NULL, NULL);
INSERT INTO public.notification VALUES ('01a20134-b68c-76a9-842f-6f3727e2d23c', 'on-call:event:01a20134-b627-7728-9dfe-5b31c47bf976', 'on-call', 'high', 'tiny', 'tiny: approval wanted: retrain tiny on the data up to now, and release it if better', 'Real drift is answered by retraining
trimtab approvals approve 01a20134-b624-7991-a6d0-1ff0c73052f7', 'pending', 0, 0, 1893628800000000, NULL, 'approval', NULL, NULL, NULL);
INSERT INTO public.notification VALUES ('01a20134-b855-72ce-b277-694af5377cd2', 'on-call:event:01a20134-b82a-7280-bb25-5b94b417a8fa', 'on-call', 'low', 'tiny', 'tiny: version 2 waits for approval', 'trimtab versions approve tiny@2', 'pending', 0, 0, 1893628800000000, NULL, 'version', NULL, NULL, NULL);
INSERT INTO public.notification VALUES ('01a20134-b8ba-7ec5-a15b-6f80808bd9b0', 'on-call:event:01a20134-b8b2-79a6-8917-720de3c09f0a', 'on-call', 'low', 'tiny', 'tiny: retrain succeeded', 'version 2 promoted: enough seen', 'pending', 0, 0, 1893628800000000, NULL, 'action', NULL, NULL, NULL);
INSERT INTO public.notification VALUES ('01a20134-b98f-7702-8b82-01ab811edd68', 'on-call:event:01a20134-b939-7688-9192-61820de48acc', 'on-call', 'low', 'tiny', 'incident recovered: tiny: covariate drift', 'data_drift of all: breach
model_quality of all: breach', 'pending', 0, 0, 1893636000000000, NULL, 'incident', NULL, NULL, NULL);


--
-- Data for Name: policy_decision; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.policy_decision VALUES ('01a20134-b62a-7434-a181-731cc9fe2a9f', 'incident', 'tiny', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', NULL, '3d8ce1cef2bb0917ee9a81ccdb4ddc5d004369db8bc3f56b28ce0277a286eda2', false, 1893628800000000, '{"id":"01a20134-b62a-7434-a181-731cc9fe2a9f","at_us":1893628800000000,"proposal":{"origin":"incident","model":"tiny","action":null,"diagnosis":"covariate_drift","severity":0.441,"open_diagnoses":["covariate_drift"],"may_approve":false},"decision":{"rule":"Real drift is answered by retraining","actions":["retrain"],"tier":"approval","covers":["deploy"],"reason":"Real drift is answered by retraining","asked":[{"rule":"A feed that changed its units is quarantined","matched":false,"why":"it is for unit_change; the diagnosis is covariate_drift"},{"rule":"A trigger does not retrain a model while its data are broken","matched":false,"why":"it is for proposals of trigger; the origin is incident"},{"rule":"Real drift is answered by retraining","matched":true,"why":"all of its conditions hold"}],"tiers":{"retrain":"approval"},"expires":"P1D","raised":[],"diagnosis":"covariate_drift","role":"approver","approvers":1},"policy_hash":"3d8ce1cef2bb0917ee9a81ccdb4ddc5d004369db8bc3f56b28ce0277a286eda2","incident_id":"01a20134-b5f1-7b73-8fa0-7343fd7112b1","standing":{"paused":null,"endpoint":"tiny","traffic_share":null,"impossible":{"change_config":"which value should change is for a person to say: trimtab config change","scale":"tiny has all workers of its server already, without autoscaling","clear_cache":"tiny caches nothing","resume_endpoint":"tiny is not paused","roll_back":"no other version served on tiny before, so that there is no way back"}},"action_ids":["01a20134-b624-7991-a6d0-1ff0c73052f7"],"times":1,"last_us":1893628800000000}');
INSERT INTO public.policy_decision VALUES ('kept-policy_decision', 'person', 'tiny', NULL, NULL, '0000000000000000000000000000000000000000000000000000000000000000', false, 1893636000000000, '{}');


--
-- Data for Name: profile; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.profile VALUES ('01a20134-b9f1-75f5-855e-7b1d38ade1a6', 'segment-1', 'tiny', 'v2', 2, 1893636000000000, 60, 3, '\x54545002930382a361676597a16e020100cb4046800000000000cb4049000000000000c43805010f0000080800020000000000000000080100fe0700000000000000004440000000000000494000000000000049400000000000004440a373657895a16303000082a666656d616c6501a46d616c6502c4095d021304840e010202');


--
-- Data for Name: queue_message; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.queue_message VALUES (1, '01a20134-b49c-7dd1-b7e9-1be01705abc9', 'ingest', '01a20134-b48d-7da4-959c-2e8eaf8da39c:1', '{"delivery_id":"01a20134-b48d-7da4-959c-2e8eaf8da39c"}', 'done', 1, 1795316561049342, 1795316561049342, 1, NULL, NULL);


--
-- Data for Name: report; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.report VALUES ('01a20134-b5bf-7492-877c-0a3b6e59ea30', 'deployment', '01a20134-b531-718b-891a-7a3e03242e69', 'deployment/01a20134-b531-718b-891a-7a3e03242e69.html', 1893456000000000, '9dc252d1d81f9d4cdab42223b25c7148705958cccb69815bca7ff4b571a84106', '{"html":{"size_bytes":16302,"digest":"9dc252d1d81f9d4cdab42223b25c7148705958cccb69815bca7ff4b571a84106"}}');
INSERT INTO public.report VALUES ('01a20134-b8d0-7632-83ca-06bca724a557', 'deployment', '01a20134-b83d-7729-a9ca-0ec986c04b39', 'deployment/01a20134-b83d-7729-a9ca-0ec986c04b39.html', 1893628800000000, '88066293f4aa78d4a7e4aad23b6b53a68c6d13d2823f0a94bc41fe796e361378', '{"html":{"size_bytes":18210,"digest":"88066293f4aa78d4a7e4aad23b6b53a68c6d13d2823f0a94bc41fe796e361378"}}');
INSERT INTO public.report VALUES ('01a20134-b67e-7dda-a816-530f4d87b8c8', 'incident', '01a20134-b5f1-7b73-8fa0-7343fd7112b1', 'incident/01a20134-b5f1-7b73-8fa0-7343fd7112b1.html', 1893636000000000, '3cc0f5dbb23d7aa2fbf05f5dce6716c3361480475ecf5dccb4108df5ecdb7ab4', '{"html":{"size_bytes":21339,"digest":"3cc0f5dbb23d7aa2fbf05f5dce6716c3361480475ecf5dccb4108df5ecdb7ab4"}}');


--
-- Data for Name: request_once; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.request_once VALUES ('emil', 'kept', 'data.ingest', '0000000000000000000000000000000000000000000000000000000000000000', NULL, '{}', 1893636000000000);


--
-- Data for Name: retraining_event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.retraining_event VALUES ('01a20134-b642-762a-809f-72cb26d9bbc9', 'tiny', false, NULL, 1893628800000000, '{"reason":"data_drift: no column could be judged","explanation":{"name":"drift","held":null,"why":"data_drift: no column could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893628800000000,"since_us":1893628800000000},"refused":null}', NULL, NULL, NULL);
INSERT INTO public.retraining_event VALUES ('01a20134-b627-7728-9dfe-5b31c47bf977', 'tiny', true, '01a20134-b624-7991-a6d0-1ff0c73052f7', 1893628800000000, '{"reason":"the inputs have moved to where the model knows little, and its quality fell","explanation":{"name":"incident","held":true,"why":"the inputs have moved to where the model knows little, and its quality fell","value":null,"limit":null,"children":[],"as_of_us":null,"since_us":null},"refused":null}', '01a20134-b6bb-7cdb-b2c8-751ec14b1e37', 'incident', 'succeeded: version 2 promoted: enough seen');
INSERT INTO public.retraining_event VALUES ('01a20134-b962-7906-90ac-21d87038cdd2', 'tiny', false, NULL, 1893636000000000, '{"reason":"data_drift: no column could be judged","explanation":{"name":"drift","held":null,"why":"data_drift: no column could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893636000000000,"since_us":1893636000000000},"refused":null}', NULL, NULL, NULL);


--
-- Data for Name: rollout; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout VALUES ('01a20134-b531-718b-891a-7a3e03242e69', 'tiny', 'tiny', 1, NULL, 'promoted', false, NULL, 1893456000000000, 1893456000000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":1,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812"},"stable":null,"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_refusal_rate":null,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_prediction_shift":null,"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"log":[{"at_us":1893456000000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893456000000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":null,"asked":[]},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893456000000000,"actor":"conductor","from":"smoke","to":"baking","state":{"phase":"baking","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v1":"100"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]},{"at_us":1893456000000000,"actor":"conductor","from":"baking","to":"promoted","state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"all traffic: it is served; promoted","verdict":"ok","evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893456000000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"all traffic: it is served; promoted","verdict":"ok","evidence":[],"at_us":1893456000000000}}', 4);
INSERT INTO public.rollout VALUES ('01a20134-b83d-7729-a9ca-0ec986c04b39', 'tiny', 'tiny', 2, 1, 'promoted', false, '01a20134-b624-7991-a6d0-1ff0c73052f7', 1893628800000000, 1893628800000000, '{"spec":{"endpoint":"tiny","staging_endpoint":"tiny-staging","model":"tiny","candidate":{"number":2,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc","bundle_digest":"1716c9c125b741bf3ce8205d03f240eab3772c7888f5b2cc0b5c38c307b17fbc"},"stable":{"number":1,"bundle_path":"/tmp/tmphyvjmliu/server/project/.trimtab/bundles/tiny/v1","bundle_digest":"197c1b8f739fda57d5fbd1ac0c803a0445d64abff8be873135af8191f6c74812"},"strategy":{"type":"canary","steps":[{"weight_pct":"20","duration":"1s","min_requests":20},{"weight_pct":"50","duration":"1s","min_requests":40}],"limits":{"max_error_rate":0.01,"max_refusal_rate":null,"max_latency_p95_ms":null,"alpha":0.01,"alpha_ok":0.05,"max_degradation":{},"min_labels":30,"required":{"quality":true},"max_prediction_shift":null,"max_error_ratio":1.5,"max_latency_increase":0.2},"max_hold":"1d"},"smoke_max_abs_difference":0.001,"sticky_key":null,"on_full":"refuse","answering":{"batching":null,"features":null,"autoscaling":null,"variant_choice":true,"pinned":false,"max_rows":10000,"max_body_bytes":8000000},"task":"binary","metrics":["accuracy","f1"]},"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"log":[{"at_us":1893628800000000,"actor":"conductor","from":"staging","to":"smoke","state":{"phase":"smoke","since_us":1893628800000000,"step_index":0,"weight_pct":"0","resumes_to":null,"generation":1,"asked":[]},"weights":null,"reason":"loaded on the staging endpoint","verdict":"ok","evidence":[]},{"at_us":1893628800000000,"actor":"conductor","from":"smoke","to":"canary","state":{"phase":"canary","since_us":1893628800000000,"step_index":0,"weight_pct":"20","resumes_to":null,"generation":null,"asked":[]},"weights":{"v1":"80","v2":"20"},"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","verdict":"ok","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]},{"at_us":1893628800000000,"actor":"dana","from":"canary","to":"promoted","state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[]}],"last":{"state":{"phase":"promoted","since_us":1893628800000000,"step_index":0,"weight_pct":"100","resumes_to":null,"generation":null,"asked":[]},"weights":{"v2":"100"},"reason":"enough seen","verdict":null,"evidence":[],"at_us":1893628800000000}}', 5);


--
-- Data for Name: rollout_analysis; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_analysis VALUES ('01a20134-b531-718b-891a-7a3e03242e69', 1893456000000000, 3, '{"counts":{"after_generation":0,"seen":[],"sticky":false,"segments":[],"copies":{"seen":[],"compared":0,"missed":0}},"labels":{"after_generation":0,"labelled_us":0,"answered_us":0,"began_us":null},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]},"predictions":{"segments":[]},"faults":{},"format":2},"looks":null,"news":[]}', 3);
INSERT INTO public.rollout_analysis VALUES ('01a20134-b83d-7729-a9ca-0ec986c04b39', 1893628800000000, 2, '{"counts":{"after_generation":1,"seen":[],"sticky":false,"segments":[],"copies":{"seen":[],"compared":0,"missed":0}},"labels":{"after_generation":1,"labelled_us":0,"answered_us":0,"began_us":null},"state":{"generation":null,"probability":0.0,"drawn":[0,0],"drawn_in_all":[0,0],"labels":{},"hits":{},"durations":{},"losses":{},"agreement":{"requests":0,"total":0.0,"harm":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"safe":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]},"predictions":{"segments":[]},"faults":{},"format":2},"looks":null,"news":[]}', 2);


--
-- Data for Name: rollout_look; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rollout_look VALUES ('01a20134-b531-718b-891a-7a3e03242e69', 1, 1893456000000000, NULL, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a20134-b531-718b-891a-7a3e03242e69', 2, 1893456000000000, NULL, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; it takes all traffic","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');
INSERT INTO public.rollout_look VALUES ('01a20134-b531-718b-891a-7a3e03242e69', 3, 1893456000000000, 1, 0, 'baking', 'ok', '{"blocks":[],"weight_pct":"100","requests":0,"reason":"all traffic: it is served; promoted","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a20134-b83d-7729-a9ca-0ec986c04b39', 1, 1893628800000000, 1, 0, 'staging', 'ok', '{"weight_pct":"0","requests":0,"reason":"loaded on the staging endpoint","evidence":[]}');
INSERT INTO public.rollout_look VALUES ('01a20134-b83d-7729-a9ca-0ec986c04b39', 2, 1893628800000000, 1, 0, 'smoke', 'ok', '{"weight_pct":"0","requests":0,"reason":"smoke test passed: 6 golden rows, largest difference 0, limit 0.001; canary starts with 20 %","evidence":[{"name":"smoke_max_abs_difference","verdict":"ok","value":0.0,"limit":0.001,"why":"6 golden rows, largest difference 0, limit 0.001","lower":null,"upper":null,"e_harm":null,"e_safe":null,"alpha":null,"candidate_n":0,"stable_n":0,"required":true}]}');


--
-- Data for Name: schedule_run; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.schedule_run VALUES ('monitors:tiny', 1893636000000000);


--
-- Data for Name: session; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.session VALUES ('kept-session', '0000000000000000000000000000000000000000000000000000000000000000', 'kept', '0000000000000000000000000000000000000000000000000000000000000000', '::1', 1893636000000000, 1893636000000000, 1893636000000001, NULL);


--
-- Data for Name: snapshot; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.snapshot VALUES ('s1', 'tiny', 'dddddddddddddddddddddddddddddddd', 'x', 1, NULL, NULL, 0, '{}');
INSERT INTO public.snapshot VALUES ('01a20134-b789-7e58-925b-676c973e903b', 'tiny', '29eca1f87641690c304b955105498c92.dir', 'snapshots/tiny/a239ae58b480ff9e2b68942a572d5b51/rows.parquet', 60, NULL, NULL, 1893628800000000, '{"recent_rows":0,"delivered_rows":60,"production_rows":0,"deliveries":["bba606287de98a4acced815f64f067cab0b5b7ef10bc84a55e2b6688474b3028"],"endpoint":"tiny","until_us":null,"contract":{"digest":"d509738101b3583c1bc0de5f374107faa6778d2024a92b8af4c9fccc3e172f95","left_out":0,"repeated":0,"quarantined_feed":0}}');


--
-- Data for Name: trigger_state; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.trigger_state VALUES ('tiny', '{"state":{"about":"e937fb25e632a373","at_us":1893636000000000,"held":{},"answers":{"when":[null,1893636000000000]},"fired":false,"stored_us":1893636000000000},"latest":{"at_us":1893636000000000,"fired":false,"reason":"data_drift: no column could be judged","cause":null,"explanation":{"name":"drift","held":null,"why":"data_drift: no column could be judged","value":null,"limit":"30%","children":[],"as_of_us":1893636000000000,"since_us":1893636000000000}}}', 2);


--
-- Data for Name: verification; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.verification VALUES ('01a20134-b8e6-7d4b-b88b-5399e18bf10e', '01a20134-b624-7991-a6d0-1ff0c73052f7', 'done', 'ok', 1893628800000000, 1893636000000000, '{"params":{"version":2,"before":[{"monitor":"data_drift","kind":"data_drift","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.6,"threshold":0.2,"effect":0.6,"verdict":"breach","severity":"high","explanation":"data_drift of all: breach","detail":{},"opens":true},{"monitor":"model_quality","kind":"model_quality","model":"tiny","endpoint":"tiny","variant":"v1","model_version":1,"column":null,"window":{"start_us":1893625200000000,"end_us":1893628800000000},"value":0.5,"threshold":0.2,"effect":0.5,"verdict":"breach","severity":"high","explanation":"model_quality of all: breach","detail":{"metric":"accuracy","labelled":120,"baseline":0.8},"opens":true}],"promise":{"measure":"metric","due":"P7D","by":"P28D","basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there","signals":[],"expected":{"metric":"accuracy","now":0.5,"expected":0.8,"higher_is_better":true,"basis":"version 1 reached 0.8 on its holdout and 0.5 on 120 labelled rows of the latest window; a version that has learnt from them should be back there"},"strict":false},"ended_us":1893628800000000},"result":{"verdict":"ok","explanation":"improved: accuracy 0.5 before, 0.82 after, 0.8 expected; breaches before 2, after 0","before":{"data_drift":0.6,"model_quality of accuracy":0.5},"after":{"data_drift":0.6,"model_quality of accuracy":0.82}}}', 2, 1894233600000000, 1896048000000000);


--
-- Data for Name: version_loss; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.version_loss VALUES ('tiny', 'tiny', 2, 'answers', 1893031200000000, 1893636000000000, 57, 11, '{}', 0);


--
-- Data for Name: vote; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.vote VALUES ('01a20134-b6a0-7b75-98cb-4fb8c28fe063', '01a20134-b624-7991-a6d0-1ff0c73052f7', 'dana', 'dana', 'approve', 'api', 'seen', 1893628800000000);
INSERT INTO public.vote VALUES ('kept-vote', '01a20134-b624-7991-a6d0-1ff0c73052f7', 'emil', 'emil', 'comment', 'api', 'seen', 1893636000000000);


--
-- Data for Name: webhook_receipt; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.webhook_receipt VALUES ('alertmanager', '0000000000000000000000000000000000000000000000000000000000000000', 1893636000000000, '{}');


--
-- Name: audit_head_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audit_head_id_seq', 1, false);


--
-- Name: event_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.event_position_seq', 23, true);


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
-- Name: approval_link pk_approval_link; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approval_link
    ADD CONSTRAINT pk_approval_link PRIMARY KEY (id);


--
-- Name: audit_about pk_audit_about; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_about
    ADD CONSTRAINT pk_audit_about PRIMARY KEY (kind, value, sequence);


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
-- Name: autonomy_pause pk_autonomy_pause; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.autonomy_pause
    ADD CONSTRAINT pk_autonomy_pause PRIMARY KEY (id);


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
-- Name: policy_decision pk_policy_decision; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.policy_decision
    ADD CONSTRAINT pk_policy_decision PRIMARY KEY (id);


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
-- Name: request_once pk_request_once; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.request_once
    ADD CONSTRAINT pk_request_once PRIMARY KEY (actor, idempotency_key);


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
-- Name: session pk_session; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.session
    ADD CONSTRAINT pk_session PRIMARY KEY (id);


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
-- Name: vote pk_vote; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.vote
    ADD CONSTRAINT pk_vote PRIMARY KEY (id);


--
-- Name: webhook_receipt pk_webhook_receipt; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_receipt
    ADD CONSTRAINT pk_webhook_receipt PRIMARY KEY (source, digest);


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
-- Name: approval_link uq_approval_link_token_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approval_link
    ADD CONSTRAINT uq_approval_link_token_hash UNIQUE (token_hash);


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
-- Name: session uq_session_token_hash; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.session
    ADD CONSTRAINT uq_session_token_hash UNIQUE (token_hash);


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
-- Name: ix_approval_link_action_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_approval_link_action_id ON public.approval_link USING btree (action_id);


--
-- Name: ix_audit_about_sequence; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_about_sequence ON public.audit_about USING btree (sequence);


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
-- Name: ix_incident_model_endpoint_family; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_incident_model_endpoint_family ON public.incident USING btree (model, endpoint, family) WHERE ((state)::text = ANY ((ARRAY['open'::character varying, 'mitigating'::character varying])::text[]));


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
-- Name: ix_policy_decision_incident_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_policy_decision_incident_id ON public.policy_decision USING btree (incident_id);


--
-- Name: ix_policy_decision_model_at_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_policy_decision_model_at_us ON public.policy_decision USING btree (model, at_us);


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
-- Name: ix_session_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_session_key_id ON public.session USING btree (key_id);


--
-- Name: ix_version_loss_model_endpoint_start_us; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_version_loss_model_endpoint_start_us ON public.version_loss USING btree (model, endpoint, start_us);


--
-- Name: ix_vote_action_id_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_vote_action_id_owner ON public.vote USING btree (action_id, owner) WHERE ((word)::text <> 'comment'::text);


--
-- Name: audit_entry audit_entry_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_entry_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_entry FOR EACH STATEMENT EXECUTE FUNCTION public.audit_entry_refuse();


--
-- Name: audit_entry audit_entry_only_next; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_entry_only_next BEFORE INSERT ON public.audit_entry FOR EACH ROW EXECUTE FUNCTION public.audit_entry_take_next();


--
-- Name: audit_head audit_head_no_delete; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_head_no_delete BEFORE DELETE OR TRUNCATE ON public.audit_head FOR EACH STATEMENT EXECUTE FUNCTION public.audit_head_refuse();


--
-- Name: audit_head audit_head_only_forward; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON public.audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_move_on();


--
-- Name: audit_head audit_head_only_one; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_head_only_one BEFORE INSERT ON public.audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_stay_one();


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
-- Name: approval_link fk_approval_link_action_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approval_link
    ADD CONSTRAINT fk_approval_link_action_id FOREIGN KEY (action_id) REFERENCES public.action_request(id);


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
-- Name: vote fk_vote_action_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.vote
    ADD CONSTRAINT fk_vote_action_id FOREIGN KEY (action_id) REFERENCES public.action_request(id);


--
-- PostgreSQL database dump complete
--


