CREATE TABLE public.acts (
    id character varying NOT NULL,
    alert character varying NOT NULL,
    deed character varying NOT NULL,
    at bigint NOT NULL,
    by character varying NOT NULL,
    platform character varying NOT NULL,
    seat character varying,
    kind character varying NOT NULL,
    severity character varying NOT NULL,
    until bigint,
    undone_at bigint
);
CREATE TABLE public.counters (
    id bigint NOT NULL,
    account character varying NOT NULL,
    org character varying NOT NULL
);
CREATE SEQUENCE public.counters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.counters_id_seq OWNED BY public.counters.id;
CREATE TABLE public.deliveries (
    sequence bigint CONSTRAINT deliveries_sequence_not_null1 NOT NULL,
    id character varying CONSTRAINT deliveries_id_not_null1 NOT NULL,
    event character varying CONSTRAINT deliveries_event_not_null1 NOT NULL,
    about character varying,
    chat character varying CONSTRAINT deliveries_chat_not_null1 NOT NULL,
    channel character varying CONSTRAINT deliveries_channel_not_null1 NOT NULL,
    kind character varying CONSTRAINT deliveries_kind_not_null1 NOT NULL,
    lane integer NOT NULL,
    purpose character varying NOT NULL,
    topic character varying,
    message text,
    heading text,
    created_at bigint CONSTRAINT deliveries_created_at_not_null1 NOT NULL,
    state character varying CONSTRAINT deliveries_state_not_null1 NOT NULL,
    claimable_at bigint,
    claimed_by character varying,
    attempts integer CONSTRAINT deliveries_attempts_not_null1 NOT NULL,
    first_tried_at bigint,
    trouble text,
    delivered_at bigint,
    posted_channel character varying,
    posted_message character varying,
    held text,
    told_in character varying,
    told text,
    shown character varying,
    unsure boolean NOT NULL
);
CREATE SEQUENCE public.deliveries_sequence_seq1
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.deliveries_sequence_seq1 OWNED BY public.deliveries.sequence;
CREATE TABLE public.events (
    key character varying NOT NULL,
    at bigint NOT NULL,
    seat character varying,
    event text NOT NULL,
    ended_by character varying,
    kind character varying
);
CREATE TABLE public.history (
    at bigint NOT NULL,
    counter bigint NOT NULL,
    used text,
    cap text,
    blocked boolean NOT NULL
);
CREATE TABLE public.hours (
    at bigint NOT NULL,
    counter bigint NOT NULL,
    currency character varying NOT NULL,
    spent text NOT NULL,
    used text NOT NULL,
    cap text,
    blocked boolean NOT NULL
);
CREATE TABLE public.latest (
    seat character varying NOT NULL,
    counter bigint NOT NULL,
    known text NOT NULL
);
CREATE TABLE public.leases (
    name character varying NOT NULL,
    worker character varying NOT NULL
);
CREATE TABLE public.lines (
    chat character varying NOT NULL,
    channel character varying NOT NULL,
    free_at bigint NOT NULL,
    claimed_by character varying,
    failures integer NOT NULL,
    trouble text,
    troubled_since bigint,
    refused boolean NOT NULL
);
CREATE TABLE public.memories (
    name character varying NOT NULL,
    memory text NOT NULL
);
CREATE TABLE public.meterbot_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.notes (
    name character varying NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.pull_requests (
    id bigint NOT NULL,
    repo character varying NOT NULL,
    number bigint NOT NULL,
    merge character varying NOT NULL,
    delivery character varying NOT NULL,
    pull text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    merged_at bigint NOT NULL,
    taken_at bigint NOT NULL,
    told_at bigint,
    open boolean NOT NULL,
    attempts integer NOT NULL,
    due_at bigint
);
CREATE SEQUENCE public.pull_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.pull_requests_id_seq OWNED BY public.pull_requests.id;
CREATE TABLE public.push_tokens (
    seat character varying NOT NULL,
    sha256 character varying NOT NULL,
    made_at bigint NOT NULL
);
CREATE TABLE public.sessions (
    seat character varying NOT NULL,
    fingerprint character varying NOT NULL,
    ciphertext text,
    renewed_at bigint,
    ends_at bigint
);
CREATE TABLE public.sources (
    seat character varying NOT NULL,
    health character varying NOT NULL,
    since bigint,
    detail text,
    last_ok_at bigint,
    failures integer NOT NULL,
    next_due bigint
);
CREATE TABLE public.states (
    counter bigint NOT NULL,
    known text NOT NULL,
    memory text NOT NULL
);
CREATE TABLE public.tails (
    counter bigint NOT NULL,
    kept_at bigint NOT NULL,
    at bigint NOT NULL,
    used text,
    cap text,
    blocked boolean NOT NULL
);
CREATE TABLE public.workers (
    name character varying NOT NULL,
    since bigint NOT NULL,
    alive_until bigint NOT NULL
);
ALTER TABLE ONLY public.counters ALTER COLUMN id SET DEFAULT nextval('public.counters_id_seq'::regclass);
ALTER TABLE ONLY public.deliveries ALTER COLUMN sequence SET DEFAULT nextval('public.deliveries_sequence_seq1'::regclass);
ALTER TABLE ONLY public.pull_requests ALTER COLUMN id SET DEFAULT nextval('public.pull_requests_id_seq'::regclass);
INSERT INTO public.counters VALUES (1, '00000002-0000-0000-0000-000000000001', '00000001-0000-0000-0000-000000000001');
INSERT INTO public.counters VALUES (2, '00000002-0000-0000-0000-000000000002', '00000001-0000-0000-0000-000000000002');
INSERT INTO public.counters VALUES (3, '00000002-0000-0000-0000-000000000003', '00000001-0000-0000-0000-000000000003');
INSERT INTO public.deliveries VALUES (1, 'oagk3ocyruj3xgblk67s', 'spend_started:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"ana has started to spend extra","fallback":"ana has started to spend extra. $26.00 of $50.00 (52%) spent. No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.","severity":"warning","text":"No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.\nLook at what it ran: some models and features are billed from the first prompt.\nIf nothing explains it, this message is evidence for Anthropic''s support.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$26.00 of $50.00 (52%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Spend started: used went from 0 to $26.00 in the period 2026-04","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, 'C0123456789', '1776247440.000000', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (2, 'j2s42n3vaohllqmc7jy7', 'spend_started:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"ana has started to spend extra","fallback":"ana has started to spend extra. $26.00 of $50.00 (52%) spent. No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.","severity":"warning","text":"No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.\nLook at what it ran: some models and features are billed from the first prompt.\nIf nothing explains it, this message is evidence for Anthropic''s support.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$26.00 of $50.00 (52%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Spend started: used went from 0 to $26.00 in the period 2026-04","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, '3003', '1493914783580160000', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (3, 'owfggiehixkhffslvdkz', 'threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:50%:2026-04', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"ana has reached 50% of its cap","fallback":"ana has reached 50% of its cap. $26.00 of $50.00 (52%) spent","severity":"warning","text":"Extra usage stops when the cap is spent. If the work must go on, raise it in claude.ai under Settings, Usage.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$26.00 of $50.00 (52%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Threshold crossed: $26.00 of $50.00 reached the level 50%","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, 'C0123456789', '1776247440.000001', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (4, 'mo6czkv4omu2s5alwqtt', 'threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:50%:2026-04', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"ana has reached 50% of its cap","fallback":"ana has reached 50% of its cap. $26.00 of $50.00 (52%) spent","severity":"warning","text":"Extra usage stops when the cap is spent. If the work must go on, raise it in claude.ai under Settings, Usage.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$26.00 of $50.00 (52%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Threshold crossed: $26.00 of $50.00 reached the level 50%","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, '3003', '1493914783580160001', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (5, 'yec5jcdqrfapmyoto72r', 'spend_started:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"cy has started to spend extra","fallback":"cy has started to spend extra. $50.00 of $50.00 (100%) spent. No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.","severity":"warning","text":"No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.\nLook at what it ran: some models and features are billed from the first prompt.\nIf nothing explains it, this message is evidence for Anthropic''s support.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Spend started: used went from 0 to $50.00 in the period 2026-04","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, 'C0123456789', '1776247440.000002', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (6, 'pgr5zw4nopjf7g7cpwvk', 'spend_started:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"cy has started to spend extra","fallback":"cy has started to spend extra. $50.00 of $50.00 (100%) spent. No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.","severity":"warning","text":"No window of its plan was full since Wed Apr 15 10:02 (5-hour at 12% and 7-day all at 41%): this was billed while the plan had room.\nLook at what it ran: some models and features are billed from the first prompt.\nIf nothing explains it, this message is evidence for Anthropic''s support.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Spend started: used went from 0 to $50.00 in the period 2026-04","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, '3003', '1493914783580160002', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (7, 'sotq4yabi2z7brtu6fh4', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"cy is blocked","fallback":"cy is blocked. $50.00 of $50.00 (100%) spent. Its extra usage cap is spent.","severity":"critical","text":"Its extra usage cap is spent.\nIts plan quota still serves; once a window is full, prompts are refused.\nTo go on now, raise the cap in claude.ai under Settings, Usage.","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Seat blocked: the cap is spent (`self_selected_spend_limit_reached`): used $50.00 of $50.00","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, 'C0123456789', '1776247440.000003', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (8, 'jre5eahdrhm5acnuq7t2', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"cy is blocked","fallback":"cy is blocked. $50.00 of $50.00 (100%) spent. Its extra usage cap is spent.","severity":"critical","text":"Its extra usage cap is spent.\nIts plan quota still serves; once a window is full, prompts are refused.\nTo go on now, raise the cap in claude.ai under Settings, Usage.","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Seat blocked: the cap is spent (`self_selected_spend_limit_reached`): used $50.00 of $50.00","command":""}', NULL, 1776247440000000, 'delivered', NULL, NULL, 1, 1776247440000000, NULL, 1776247440000000, '3003', '1493914783580160003', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (9, '2cjnhixrz6x7k4g7imlj', 'seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', 'slack', 'C0123456789', 'edit', 1, 'tell', NULL, '{"title":"Resolved: cy is blocked","fallback":"cy is no longer blocked since Wed Apr 15 10:08.","severity":"good","text":"cy is no longer blocked since Wed Apr 15 10:08.","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{},"footer":"Seat blocked: the cap is spent (`self_selected_spend_limit_reached`): used $50.00 of $50.00","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, 'C0123456789', '1776247440.000003', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (10, 'kcasu6cgre4g7dvy5d4r', 'seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', 'slack', 'C0123456789', 'reply', 1, 'tell', NULL, '{"title":"cy is no longer blocked since Wed Apr 15 10:08.","fallback":"cy is no longer blocked since Wed Apr 15 10:08.","severity":"good","text":"","fields":[],"sections":[],"actions":[],"owner":{},"footer":"","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, 'C0123456789', '1776247680.000000', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (11, 'kndo63g3c7afw7l6bj5l', 'seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', 'discord', '3003', 'edit', 1, 'tell', NULL, '{"title":"Resolved: cy is blocked","fallback":"cy is no longer blocked since Wed Apr 15 10:08.","severity":"good","text":"cy is no longer blocked since Wed Apr 15 10:08.","fields":[{"name":"Spent","value":"$50.00 of $50.00 (100%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{},"footer":"Seat blocked: the cap is spent (`self_selected_spend_limit_reached`): used $50.00 of $50.00","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, '3003', '1493914783580160003', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (12, 'tnq5424rnfaxjcq6k4y4', 'seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 'seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', 'discord', '3003', 'reply', 1, 'tell', NULL, '{"title":"cy is no longer blocked since Wed Apr 15 10:08.","fallback":"cy is no longer blocked since Wed Apr 15 10:08.","severity":"good","text":"","fields":[],"sections":[],"actions":[],"owner":{},"footer":"","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, '3003', '1493915790213120000', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (13, 'wobcn4iue7tozjf3e75t', 'metering_changed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"cy: the cap was raised from $50.00 to $100.00","fallback":"cy: the cap was raised from $50.00 to $100.00. $50.00 of $100.00 (50%) spent","severity":"info","text":"","fields":[{"name":"Spent","value":"$50.00 of $100.00 (50%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Metering changed: cap went from $50.00 to $100.00","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, 'C0123456789', '1776247680.000001', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (14, 'wgnyeqvt7rbh3bdku5ex', 'metering_changed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"cy: the cap was raised from $50.00 to $100.00","fallback":"cy: the cap was raised from $50.00 to $100.00. $50.00 of $100.00 (50%) spent","severity":"info","text":"","fields":[{"name":"Spent","value":"$50.00 of $100.00 (50%)"}],"sections":[],"actions":[{"id":"seat:cy","label":"Show seat"}],"owner":{"slack":"UCY1","discord":"44"},"footer":"Metering changed: cap went from $50.00 to $100.00","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, '3003', '1493915790213120001', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (15, 'gomeq7wnqkrix6a2m4qc', 'threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:80%:2026-04', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"ana has reached 80% of its cap","fallback":"ana has reached 80% of its cap. $41.00 of $50.00 (82%) spent","severity":"warning","text":"Extra usage stops when the cap is spent. If the work must go on, raise it in claude.ai under Settings, Usage.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$41.00 of $50.00 (82%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Threshold crossed: $41.00 of $50.00 reached the level 80%","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, 'C0123456789', '1776247680.000002', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (16, 'dcq5astjpgzth2jkjy2w', 'threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:80%:2026-04', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"ana has reached 80% of its cap","fallback":"ana has reached 80% of its cap. $41.00 of $50.00 (82%) spent","severity":"warning","text":"Extra usage stops when the cap is spent. If the work must go on, raise it in claude.ai under Settings, Usage.\nThe counter starts again at 0 on Fri May 1 (UTC).","fields":[{"name":"Spent","value":"$41.00 of $50.00 (82%)"}],"sections":[],"actions":[{"id":"seat:ana","label":"Show seat"}],"owner":{"slack":"UANA1","discord":"42"},"footer":"Threshold crossed: $41.00 of $50.00 reached the level 80%","command":""}', NULL, 1776247680000000, 'delivered', NULL, NULL, 1, 1776247680000000, NULL, 1776247680000000, '3003', '1493915790213120002', NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (17, 'vhbc3tarwcleyi5debcv', 'source_down:bo:2026-04-15T10:12:00Z', NULL, 'slack', 'C0123456789', 'post', 1, 'tell', NULL, '{"title":"bo cannot be read: session expired","fallback":"bo cannot be read: session expired. Its last known numbers are from Wed Apr 15 10:10.","severity":"warning","text":"Its last known numbers are from Wed Apr 15 10:10.\nThe session has expired (403): sign in again and renew the session key.\nSign in to claude.ai and replace the seat''s session key.","fields":[{"name":"Since","value":"Wed Apr 15 10:12"}],"sections":[],"actions":[{"id":"seat:bo","label":"Show seat"}],"owner":{"slack":"UBO1","discord":"43"},"footer":"Source down: no healthy reading since 2026-04-15 10:12 UTC, the last answer was session_expired","command":""}', NULL, 1776248640000000, 'in_doubt', 1776250000000000, NULL, 1, 1776248640000000, 'slack did not answer in time', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false);
INSERT INTO public.deliveries VALUES (18, 'z45dbga2g6xt47tl4i4d', 'source_down:bo:2026-04-15T10:12:00Z', NULL, 'discord', '3003', 'post', 1, 'tell', NULL, '{"title":"bo cannot be read: session expired","fallback":"bo cannot be read: session expired. Its last known numbers are from Wed Apr 15 10:10.","severity":"warning","text":"Its last known numbers are from Wed Apr 15 10:10.\nThe session has expired (403): sign in again and renew the session key.\nSign in to claude.ai and replace the seat''s session key.","fields":[{"name":"Since","value":"Wed Apr 15 10:12"}],"sections":[],"actions":[{"id":"seat:bo","label":"Show seat"}],"owner":{"slack":"UBO1","discord":"43"},"footer":"Source down: no healthy reading since 2026-04-15 10:12 UTC, the last answer was session_expired","command":""}', NULL, 1776248640000000, 'delivered', NULL, NULL, 1, 1776248640000000, NULL, 1776248640000000, '3003', '1493919816744960000', NULL, NULL, NULL, NULL, false);
INSERT INTO public.events VALUES ('spend_started:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04', 1776247440000000, 'ana', '{"key":"spend_started:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04","kind":"spend_started","at":"2026-04-15T10:04:00Z","severity":"warning","reason":"used went from 0 to $26.00 in the period 2026-04","seat":"ana","counter":{"account":"00000002-0000-0000-0000-000000000001","org":"00000001-0000-0000-0000-000000000001"},"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{"used":{"minor":"2600.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"52.0","before_at":"2026-04-15T10:02:00Z","period":"2026-04","windows":[{"window":"five_hour","utilization":"12.0","resets_at":null},{"window":"seven_day","utilization":"41.0","resets_at":null}],"full_windows":[],"within_plan":true}}', NULL, 'spend_started');
INSERT INTO public.events VALUES ('charged_within_plan:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04', 1776247440000000, 'ana', '{"key":"charged_within_plan:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04","kind":"charged_within_plan","at":"2026-04-15T10:04:00Z","severity":"warning","reason":"used went from $0.00 to $26.00 while no window of the plan was full","seat":"ana","counter":{"account":"00000002-0000-0000-0000-000000000001","org":"00000001-0000-0000-0000-000000000001"},"level":null,"resolves":null,"initial":false,"muted_by":"spend_started:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:2026-04","facts":{"used":{"minor":"2600.0","currency":"USD","exponent":2},"before":{"minor":"0.0","currency":"USD","exponent":2},"before_at":"2026-04-15T10:02:00Z","rise":{"minor":"2600.0","currency":"USD","exponent":2},"windows":[{"window":"five_hour","utilization":"12.0","resets_at":null},{"window":"seven_day","utilization":"41.0","resets_at":null}]}}', NULL, 'charged_within_plan');
INSERT INTO public.events VALUES ('threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:50%:2026-04', 1776247440000000, 'ana', '{"key":"threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:50%:2026-04","kind":"threshold_crossed","at":"2026-04-15T10:04:00Z","severity":"warning","reason":"$26.00 of $50.00 reached the level 50%","seat":"ana","counter":{"account":"00000002-0000-0000-0000-000000000001","org":"00000001-0000-0000-0000-000000000001"},"level":"50%","resolves":null,"initial":false,"muted_by":null,"facts":{"used":{"minor":"2600.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"52.0","period":"2026-04","level":"50%","also":[]}}', NULL, 'threshold_crossed');
INSERT INTO public.events VALUES ('spend_started:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04', 1776247440000000, 'cy', '{"key":"spend_started:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04","kind":"spend_started","at":"2026-04-15T10:04:00Z","severity":"warning","reason":"used went from 0 to $50.00 in the period 2026-04","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"100.0","before_at":"2026-04-15T10:02:00Z","period":"2026-04","windows":[{"window":"five_hour","utilization":"12.0","resets_at":null},{"window":"seven_day","utilization":"41.0","resets_at":null}],"full_windows":[],"within_plan":true}}', NULL, 'spend_started');
INSERT INTO public.events VALUES ('charged_within_plan:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04', 1776247440000000, 'cy', '{"key":"charged_within_plan:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04","kind":"charged_within_plan","at":"2026-04-15T10:04:00Z","severity":"warning","reason":"used went from $0.00 to $50.00 while no window of the plan was full","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":null,"resolves":null,"initial":false,"muted_by":"spend_started:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04","facts":{"used":{"minor":"5000.0","currency":"USD","exponent":2},"before":{"minor":"0.0","currency":"USD","exponent":2},"before_at":"2026-04-15T10:02:00Z","rise":{"minor":"5000.0","currency":"USD","exponent":2},"windows":[{"window":"five_hour","utilization":"12.0","resets_at":null},{"window":"seven_day","utilization":"41.0","resets_at":null}]}}', NULL, 'charged_within_plan');
INSERT INTO public.events VALUES ('seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z', 1776247440000000, 'cy', '{"key":"seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z","kind":"seat_blocked","at":"2026-04-15T10:04:00Z","severity":"critical","reason":"the cap is spent (`self_selected_spend_limit_reached`): used $50.00 of $50.00","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"100.0","why":"cap","wire_reason":"self_selected_spend_limit_reached","until":null,"hard":false,"full_windows":[]}}', 'seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 'seat_blocked');
INSERT INTO public.events VALUES ('threshold_crossed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:80%:2026-04', 1776247440000000, 'cy', '{"key":"threshold_crossed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:80%:2026-04","kind":"threshold_crossed","at":"2026-04-15T10:04:00Z","severity":"critical","reason":"$50.00 of $50.00 reached the level 80%","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":"80%","resolves":null,"initial":false,"muted_by":"seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z","facts":{"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"100.0","period":"2026-04","level":"80%","also":["50%"]}}', NULL, 'threshold_crossed');
INSERT INTO public.events VALUES ('seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 1776247680000000, 'cy', '{"key":"seat_unblocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z","kind":"seat_unblocked","at":"2026-04-15T10:08:00Z","severity":"good","reason":"nothing blocks the seat any more: used $50.00 of $100.00","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":null,"resolves":"seat_blocked:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:04:00Z","initial":false,"muted_by":null,"facts":{"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"10000","currency":"USD","exponent":2},"percent":"50.0","since":"2026-04-15T10:04:00Z"}}', NULL, 'seat_unblocked');
INSERT INTO public.events VALUES ('metering_changed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z', 1776247680000000, 'cy', '{"key":"metering_changed:00000002-0000-0000-0000-000000000003/00000001-0000-0000-0000-000000000003:2026-04-15T10:08:00Z","kind":"metering_changed","at":"2026-04-15T10:08:00Z","severity":"info","reason":"cap went from $50.00 to $100.00","seat":"cy","counter":{"account":"00000002-0000-0000-0000-000000000003","org":"00000001-0000-0000-0000-000000000003"},"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{"changes":[{"what":"cap","from":{"minor":"5000","currency":"USD","exponent":2},"to":{"minor":"10000","currency":"USD","exponent":2}}],"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"10000","currency":"USD","exponent":2},"wire_reason":null}}', NULL, 'metering_changed');
INSERT INTO public.events VALUES ('threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:80%:2026-04', 1776247680000000, 'ana', '{"key":"threshold_crossed:00000002-0000-0000-0000-000000000001/00000001-0000-0000-0000-000000000001:80%:2026-04","kind":"threshold_crossed","at":"2026-04-15T10:08:00Z","severity":"warning","reason":"$41.00 of $50.00 reached the level 80%","seat":"ana","counter":{"account":"00000002-0000-0000-0000-000000000001","org":"00000001-0000-0000-0000-000000000001"},"level":"80%","resolves":null,"initial":false,"muted_by":null,"facts":{"used":{"minor":"4100.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"percent":"82.0","period":"2026-04","level":"80%","also":[]}}', NULL, 'threshold_crossed');
INSERT INTO public.events VALUES ('source_down:bo:2026-04-15T10:12:00Z', 1776248640000000, 'bo', '{"key":"source_down:bo:2026-04-15T10:12:00Z","kind":"source_down","at":"2026-04-15T10:24:00Z","severity":"warning","reason":"no healthy reading since 2026-04-15 10:12 UTC, the last answer was session_expired","seat":"bo","counter":null,"level":null,"resolves":null,"initial":false,"muted_by":null,"facts":{"health":"session_expired","since":"2026-04-15T10:12:00Z","detail":"the session has expired (403): sign in again and renew the session key","remedy":"Sign in to claude.ai and replace the seat''s session key.","last_ok_at":"2026-04-15T10:10:00Z"}}', NULL, 'source_down');
INSERT INTO public.history VALUES (1776247320000000, 1, '0.0 USD 2', '5000 USD 2', false);
INSERT INTO public.history VALUES (1776247320000000, 2, '0.0 EUR 2', '5000 EUR 2', false);
INSERT INTO public.history VALUES (1776247320000000, 3, '0.0 USD 2', '5000 USD 2', false);
INSERT INTO public.history VALUES (1776247440000000, 1, '2600.0 USD 2', '5000 USD 2', false);
INSERT INTO public.history VALUES (1776247440000000, 3, '5000.0 USD 2', '5000 USD 2', true);
INSERT INTO public.history VALUES (1776247560000000, 1, '2600.0 USD 2', '5000 USD 2', false);
INSERT INTO public.history VALUES (1776247560000000, 3, '5000.0 USD 2', '5000 USD 2', true);
INSERT INTO public.history VALUES (1776247680000000, 1, '4100.0', '5000', false);
INSERT INTO public.history VALUES (1776247680000000, 3, '5000.0', '10000', false);
INSERT INTO public.hours VALUES (1776247200000000, 1, 'USD', '4100.0 USD 2', '4100.0 USD 2', '5000 USD 2', false);
INSERT INTO public.hours VALUES (1776247200000000, 2, 'EUR', '0.0 EUR 2', '0.0 EUR 2', '5000 EUR 2', false);
INSERT INTO public.hours VALUES (1776247200000000, 3, 'USD', '5000.0 USD 2', '5000.0 USD 2', '10000 USD 2', false);
INSERT INTO public.latest VALUES ('cy', 3, '{"snapshot":{"seat":"cy","source":"claude_ai","fetched_at":"2026-04-15T10:26:00Z","health":"ok","account_uuid":"00000002-0000-0000-0000-000000000003","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000003","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":true,"extra_usage":{"enabled":true,"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"10000","currency":"USD","exponent":2},"cap_known":true,"currency":"USD","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":true,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":true,"org_spend":null,"detail":null,"retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":[]},"windows_at":"2026-04-15T10:26:00Z","extra_usage_at":"2026-04-15T10:26:00Z","subscription_at":"2026-04-15T10:26:00Z"}');
INSERT INTO public.latest VALUES ('ana', 1, '{"snapshot":{"seat":"ana","source":"claude_ai","fetched_at":"2026-04-15T10:26:00Z","health":"ok","account_uuid":"00000002-0000-0000-0000-000000000001","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000001","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":true,"extra_usage":{"enabled":true,"used":{"minor":"4100.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"cap_known":true,"currency":"USD","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":true,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":true,"org_spend":null,"detail":null,"retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":[]},"windows_at":"2026-04-15T10:26:00Z","extra_usage_at":"2026-04-15T10:26:00Z","subscription_at":"2026-04-15T10:26:00Z"}');
INSERT INTO public.latest VALUES ('bo', 2, '{"snapshot":{"seat":"bo","source":"claude_ai","fetched_at":"2026-04-15T10:12:00Z","health":"session_expired","account_uuid":"00000002-0000-0000-0000-000000000002","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000002","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":false,"extra_usage":{"enabled":true,"used":{"minor":"0.0","currency":"EUR","exponent":2},"cap":{"minor":"5000","currency":"EUR","exponent":2},"cap_known":true,"currency":"EUR","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":false,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":false,"org_spend":null,"detail":"the session has expired (403): sign in again and renew the session key","retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":["usage: the session has expired (403): sign in again and renew the session key"]},"windows_at":"2026-04-15T10:10:00Z","extra_usage_at":"2026-04-15T10:10:00Z","subscription_at":"2026-04-15T10:10:00Z"}');
INSERT INTO public.lines VALUES ('slack', 'C0123456789', 0, NULL, 0, 'slack did not answer in time', 1776248640000000, false);
INSERT INTO public.memories VALUES ('source:cy', '{"identities":["organization:00000001-0000-0000-0000-000000000003","account:00000002-0000-0000-0000-000000000003","email:b45e6987fd6b0936"],"identity_at":"2026-04-15T10:26:00Z"}');
INSERT INTO public.memories VALUES ('source:ana', '{"identities":["organization:00000001-0000-0000-0000-000000000001","account:00000002-0000-0000-0000-000000000001","email:3357926a1dda01cf"],"identity_at":"2026-04-15T10:26:00Z"}');
INSERT INTO public.memories VALUES ('source:bo', '{"unhealthy_since":"2026-04-15T10:12:00Z","down":"source_down:bo:2026-04-15T10:12:00Z","identities":["organization:00000001-0000-0000-0000-000000000002","account:00000002-0000-0000-0000-000000000002","email:332385b6bc755bd7"],"identity_at":"2026-04-15T10:12:00Z"}');
INSERT INTO public.meterbot_version VALUES ('0008');
INSERT INTO public.notes VALUES ('discord.commands', '1001 2002 56ed9e8270d324a03d76561665588f518212643cfea3017d964728ac1852157c');
INSERT INTO public.notes VALUES ('rolled_up_to', '2026-04-15T22:00:00+00:00');
INSERT INTO public.push_tokens VALUES ('ana', 'abababababababababababababababababababababababababababababababab', 1776247200000000);
INSERT INTO public.sessions VALUES ('ana', 'a0dbe38ff3e976d752dfbb8e92f526f41358ba511301ed4f2bd4aa97af7a31aa', 'gAAAAABrCFfN8CnQ26ZquBwnlW1QkF0zS6BIrkcupnppYC6HWQdLj7yXSwklbJSZTRWlhuJw5C3VwRCJpbkS54COHUY7W_C2z-E6rQddojAgMFHL9NAMTIqYYTFF-gupsbeEIAf8DYyff9yTeDs-xqva6p9YNkYPpQ==', 1776247320000000, NULL);
INSERT INTO public.sessions VALUES ('cy', '2955feabfeba14d7d7a176c23831059ff1f09cdbb657520cee86a1a30fcd801c', NULL, NULL, NULL);
INSERT INTO public.sessions VALUES ('bo', 'cbc22460e49196a302660f257e8fee98a924ef85ddca7fdd025f95dc747527c2', NULL, NULL, NULL);
INSERT INTO public.sources VALUES ('cy', 'ok', 1776247320000000, NULL, 1776248760000000, 0, 1776248832483771);
INSERT INTO public.sources VALUES ('ana', 'ok', 1776247320000000, NULL, 1776248760000000, 0, 1776248830820464);
INSERT INTO public.sources VALUES ('bo', 'session_expired', 1776247920000000, 'the session has expired (403): sign in again and renew the session key', 1776247800000000, 2, 1776248899287848);
INSERT INTO public.states VALUES (1, '{"snapshot":{"seat":"ana","source":"claude_ai","fetched_at":"2026-04-15T10:26:00Z","health":"ok","account_uuid":"00000002-0000-0000-0000-000000000001","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000001","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":true,"extra_usage":{"enabled":true,"used":{"minor":"4100.0","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"cap_known":true,"currency":"USD","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":true,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":true,"org_spend":null,"detail":null,"retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":[]},"windows_at":"2026-04-15T10:26:00Z","extra_usage_at":"2026-04-15T10:26:00Z","subscription_at":"2026-04-15T10:26:00Z"}', '{"period":"2026-04","used":{"minor":"4100.0","currency":"USD","exponent":2},"used_at":"2026-04-15T10:26:00Z","peak":{"minor":"4100.0","currency":"USD","exponent":2},"spend":true,"charged_told":true,"told":["50%","80%"],"measured_cap":{"minor":"5000","currency":"USD","exponent":2},"cap":{"minor":"5000","currency":"USD","exponent":2},"metering":"on","metering_why":true,"extra_seen":true,"windows_at":"2026-04-15T10:26:00Z","subscription":{"status":"active","ends_on":null,"changes_to":null,"paused_until":null}}');
INSERT INTO public.states VALUES (2, '{"snapshot":{"seat":"bo","source":"claude_ai","fetched_at":"2026-04-15T10:12:00Z","health":"session_expired","account_uuid":"00000002-0000-0000-0000-000000000002","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000002","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":false,"extra_usage":{"enabled":true,"used":{"minor":"0.0","currency":"EUR","exponent":2},"cap":{"minor":"5000","currency":"EUR","exponent":2},"cap_known":true,"currency":"EUR","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":false,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":false,"org_spend":null,"detail":"the session has expired (403): sign in again and renew the session key","retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":["usage: the session has expired (403): sign in again and renew the session key"]},"windows_at":"2026-04-15T10:10:00Z","extra_usage_at":"2026-04-15T10:10:00Z","subscription_at":"2026-04-15T10:10:00Z"}', '{"period":"2026-04","used":{"minor":"0.0","currency":"EUR","exponent":2},"used_at":"2026-04-15T10:10:00Z","peak":{"minor":"0.0","currency":"EUR","exponent":2},"spend":false,"measured_cap":{"minor":"5000","currency":"EUR","exponent":2},"cap":{"minor":"5000","currency":"EUR","exponent":2},"metering":"on","metering_why":true,"extra_seen":true,"windows_at":"2026-04-15T10:10:00Z","subscription":{"status":"active","ends_on":null,"changes_to":null,"paused_until":null}}');
INSERT INTO public.states VALUES (3, '{"snapshot":{"seat":"cy","source":"claude_ai","fetched_at":"2026-04-15T10:26:00Z","health":"ok","account_uuid":"00000002-0000-0000-0000-000000000003","account_email":null,"org_uuid":"00000001-0000-0000-0000-000000000003","org_name":"Dev One","windows":[{"name":"five_hour","utilization":"12.0","resets_at":null},{"name":"seven_day","utilization":"41.0","resets_at":null}],"windows_read":true,"extra_usage":{"enabled":true,"used":{"minor":"5000.0","currency":"USD","exponent":2},"cap":{"minor":"10000","currency":"USD","exponent":2},"cap_known":true,"currency":"USD","assumed":[],"out_of_credits":false,"spend_limit_reached":false,"reason":null,"reason_class":null,"disabled_until":null,"why_known":true,"comparable":true},"extra_usage_read":true,"subscription":{"status":"active","next_charge_date":null,"next_charge_at":null,"billing_interval":"monthly","ends_on":null,"gift":false,"changes_to":null,"paused_until":null,"configured":false},"subscription_read":true,"org_spend":null,"detail":null,"retry_at":null,"tier":"max_5x","estimate":null,"throttle":null,"drift":[],"errors":[]},"windows_at":"2026-04-15T10:26:00Z","extra_usage_at":"2026-04-15T10:26:00Z","subscription_at":"2026-04-15T10:26:00Z"}', '{"period":"2026-04","used":{"minor":"5000.0","currency":"USD","exponent":2},"used_at":"2026-04-15T10:26:00Z","peak":{"minor":"5000.0","currency":"USD","exponent":2},"spend":true,"charged_told":true,"told":["50%"],"armed":"2026-04-15T10:08:00Z","measured_cap":{"minor":"10000","currency":"USD","exponent":2},"cap":{"minor":"10000","currency":"USD","exponent":2},"metering":"on","metering_why":true,"extra_seen":true,"windows_at":"2026-04-15T10:26:00Z","subscription":{"status":"active","ends_on":null,"changes_to":null,"paused_until":null}}');
INSERT INTO public.tails VALUES (1, 1776247680000000, 1776248760000000, '4100.0', '5000', false);
INSERT INTO public.tails VALUES (2, 1776247320000000, 1776247800000000, '0.0 EUR 2', '5000 EUR 2', false);
INSERT INTO public.tails VALUES (3, 1776247680000000, 1776248760000000, '5000.0', '10000', false);
SELECT pg_catalog.setval('public.counters_id_seq', 3, true);
SELECT pg_catalog.setval('public.deliveries_sequence_seq1', 19, false);
SELECT pg_catalog.setval('public.pull_requests_id_seq', 1, false);
ALTER TABLE ONLY public.acts
    ADD CONSTRAINT acts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_account_org UNIQUE (account, org);
ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_id UNIQUE (id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey1 PRIMARY KEY (sequence);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (at, counter);
ALTER TABLE ONLY public.hours
    ADD CONSTRAINT hours_pkey PRIMARY KEY (at, counter, currency);
ALTER TABLE ONLY public.latest
    ADD CONSTRAINT latest_pkey PRIMARY KEY (seat, counter);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.lines
    ADD CONSTRAINT lines_pkey PRIMARY KEY (chat, channel);
ALTER TABLE ONLY public.memories
    ADD CONSTRAINT memories_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.meterbot_version
    ADD CONSTRAINT meterbot_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.pull_requests
    ADD CONSTRAINT pull_requests_delivery UNIQUE (delivery);
ALTER TABLE ONLY public.pull_requests
    ADD CONSTRAINT pull_requests_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pull_requests
    ADD CONSTRAINT pull_requests_repo_number_merge UNIQUE (repo, number, merge);
ALTER TABLE ONLY public.push_tokens
    ADD CONSTRAINT push_tokens_pkey PRIMARY KEY (seat);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (seat);
ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (seat);
ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_pkey PRIMARY KEY (counter);
ALTER TABLE ONLY public.tails
    ADD CONSTRAINT tails_pkey PRIMARY KEY (counter);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (name);
CREATE INDEX acts_alert ON public.acts USING btree (alert);
CREATE INDEX deliveries_about ON public.deliveries USING btree (about);
CREATE INDEX deliveries_event ON public.deliveries USING btree (event);
CREATE INDEX deliveries_told_in ON public.deliveries USING btree (told_in);
CREATE INDEX deliveries_topic ON public.deliveries USING btree (topic);
CREATE INDEX deliveries_waiting ON public.deliveries USING btree (chat, channel, sequence) WHERE (claimable_at IS NOT NULL);
CREATE INDEX events_at ON public.events USING btree (at);
CREATE INDEX events_open ON public.events USING btree (kind) WHERE (ended_by IS NULL);
CREATE INDEX pull_requests_ends_at ON public.pull_requests USING btree (ends_at);
CREATE INDEX pull_requests_number ON public.pull_requests USING btree (number);
ALTER TABLE ONLY public.acts
    ADD CONSTRAINT acts_alert_fkey FOREIGN KEY (alert) REFERENCES public.events(key) ON DELETE CASCADE;
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_event_fkey1 FOREIGN KEY (event) REFERENCES public.events(key) ON DELETE CASCADE;
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_counter_fkey FOREIGN KEY (counter) REFERENCES public.counters(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.hours
    ADD CONSTRAINT hours_counter_fkey FOREIGN KEY (counter) REFERENCES public.counters(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.latest
    ADD CONSTRAINT latest_counter_fkey FOREIGN KEY (counter) REFERENCES public.counters(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_counter_fkey FOREIGN KEY (counter) REFERENCES public.counters(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tails
    ADD CONSTRAINT tails_counter_fkey FOREIGN KEY (counter) REFERENCES public.counters(id) ON DELETE CASCADE;
