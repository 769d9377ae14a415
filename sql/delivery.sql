-- Delivery: who has not yet received what.
\getenv srcdir PG_ABS_SRCDIR
\set attempt :srcdir '/sql/include/attempt.sql'
SET client_min_messages = warning;
SET ROLE taskchat_backend;
\i :attempt
SELECT task_id FROM taskchat.open_room('deliv-1', 'dora');
SELECT role FROM taskchat.add_member('deliv-1', 'emil');
BEGIN;
SELECT taskchat.act_as('dora');
SELECT seq FROM taskchat.send_message('deliv-1', 'before fred came');
COMMIT;
SELECT role FROM taskchat.add_member('deliv-1', 'fred', 'observer');
SELECT applicant_id FROM taskchat.add_member('deliv-1', 'gina', 'applicant');
BEGIN;
SELECT taskchat.act_as('emil');
SELECT seq FROM taskchat.send_message('deliv-1', 'from emil');
SELECT taskchat.act_as('gina');
SELECT seq FROM taskchat.send_message('deliv-1', 'from gina');
COMMIT;
SELECT seq FROM taskchat.send_system_message('deliv-1', 'paid');

-- Everybody but the sender, from the time of joining.
SELECT user_id, task_id, applicant_id, seq, (message).content FROM taskchat.undelivered('0') WHERE task_id = 'deliv-1';
-- Only what has waited for a while.
SELECT count(*) FROM taskchat.undelivered() WHERE task_id = 'deliv-1';
-- A relay's acknowledgement and reading take messages off the list; muting a room too.
RESET ROLE;
SELECT room_id AS room FROM taskchat.task_rooms WHERE task_id = 'deliv-1' AND applicant_id IS NULL \gset
SET ROLE taskchat_relay;
SELECT taskchat.relay_delivered(ARRAY[:room], ARRAY['dora'], ARRAY[5]);
SET ROLE taskchat_backend;
SELECT pg_temp.attempt('emil', 'SELECT taskchat.mark_read(''deliv-1'', 3)');
SELECT pg_temp.attempt('fred', 'SELECT taskchat.set_muted(''deliv-1'', true)');
SELECT user_id, applicant_id, seq, (message).content FROM taskchat.undelivered('0') WHERE task_id = 'deliv-1';
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.undelivered(NULL)');
SET ROLE taskchat_user;
SELECT taskchat.undelivered();
RESET ROLE;

-- Figures: deliveries are those to other members from their joining; the private room counts.
SET ROLE taskchat_backend;
SELECT messages, deliveries_expected, deliveries_confirmed, delivery_rate, latency_p50_ms >= 0, latency_p99_ms >= latency_p50_ms
FROM taskchat.delivery_stats(task_id => 'deliv-1');
SELECT messages, deliveries_expected, deliveries_confirmed, delivery_rate, latency_p50_ms FROM taskchat.delivery_stats(now() + interval '1 hour');
SELECT messages, deliveries_expected, deliveries_confirmed, delivery_rate, latency_p50_ms FROM taskchat.delivery_stats(task_id => 'no such task');
SELECT messages >= 4, deliveries_expected >= 8 FROM taskchat.delivery_stats('-infinity');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.delivery_stats(NULL)');
-- One row a movement of a cursor, with one latency a message of others since joining.
RESET ROLE;
SELECT user_id, up_to_seq, cardinality(latencies_ms) FROM taskchat.delivery_samples d JOIN taskchat.task_rooms r USING (room_id) WHERE task_id = 'deliv-1' ORDER BY 1, 2;
-- A message came when the first ack that covers it did; what is stored later is not late.
SET ROLE taskchat_backend;
SELECT task_id FROM taskchat.open_room('deliv-2', 'dora');
SELECT role FROM taskchat.add_member('deliv-2', 'emil');
SELECT count(taskchat.send_system_message('deliv-2', n::text)) FROM generate_series(1, 4) AS n;
RESET ROLE;
SELECT room_id AS room FROM taskchat.task_rooms WHERE task_id = 'deliv-2' \gset
SELECT pg_sleep(0.1);
SET ROLE taskchat_relay;
SELECT taskchat.relay_delivered(ARRAY[:room, :room, :room, :room], ARRAY['emil', 'emil', 'dora', 'emil'], ARRAY[6, 4, 6, 99], ARRAY[0, 3600000, 3600000, 0]);
SELECT taskchat.relay_delivered(ARRAY[:room], ARRAY['emil'], ARRAY[6], ARRAY[0]);
RESET ROLE;
SELECT user_id, up_to_seq, cardinality(latencies_ms), 0 = ALL (latencies_ms) AS at_once, 100 <= ALL (latencies_ms) AS later
FROM taskchat.delivery_samples WHERE room_id = :room ORDER BY 1, 2;

-- Signing out: the relays hear it, and tickets that wait are void.
SET ROLE taskchat_backend;
SELECT taskchat.create_ticket('hans') AS ticket \gset
SELECT taskchat.end_sessions('hans');
SELECT taskchat.end_sessions('hans');
SELECT taskchat.end_sessions('nobody knows');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.end_sessions(NULL)');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.end_sessions('''')');
SELECT pg_temp.attempt(NULL, 'SELECT taskchat.end_sessions(repeat(''u'', 256))');
SET ROLE taskchat_relay;
SELECT user_id FROM taskchat.relay_redeem(ARRAY[:'ticket']);
RESET ROLE;
SELECT user_id, signed_out_at <= clock_timestamp(), pg_visible_in_snapshot(xid, pg_current_snapshot()) FROM taskchat.sign_outs ORDER BY user_id;
