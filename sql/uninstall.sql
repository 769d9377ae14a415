-- DROP EXTENSION takes all that it made along, roles aside.
SET client_min_messages = warning;
DROP EXTENSION taskchat;
SELECT count(*) AS left_over FROM pg_namespace WHERE nspname = 'taskchat';
CREATE EXTENSION taskchat;
DROP EXTENSION taskchat;
-- Rooms are numbered within the range of this database's number.
SET taskchat.database_number = 40000;
SET taskchat.database_number = 5;
CREATE EXTENSION taskchat;
SELECT room_id >> 48 AS database_number, room_id & ((1::bigint << 48) - 1) AS number FROM taskchat.open_room('numbered', 'ada');
DROP EXTENSION taskchat;
RESET taskchat.database_number;
-- Also in a transaction that has just used it.
CREATE EXTENSION taskchat;
BEGIN;
SELECT last_seq FROM taskchat.open_room('dropped', 'ada');
DROP EXTENSION taskchat;
COMMIT;
CREATE EXTENSION taskchat;
BEGIN;
SELECT last_seq FROM taskchat.open_room('dropped', 'ada');
DROP EXTENSION taskchat;
CREATE EXTENSION taskchat;
SELECT last_seq FROM taskchat.open_room('made again', 'ada');
COMMIT;
SELECT task_id FROM taskchat.task_rooms;
DROP EXTENSION taskchat;
