-- A room's epoch stays until a client must drop what it holds.
SET client_min_messages = warning;
SELECT room_id AS room FROM taskchat.open_room('epoch-1', 'ada') \gset
SELECT room_id AS other FROM taskchat.open_room('epoch-2', 'ada') \gset
SELECT taskchat.room_epoch(:room) AS epoch, taskchat.room_epoch(:other) AS others \gset
SELECT :'epoch' ~ '^[0-9a-f]{16}$' AS hexadecimal, :'epoch' <> :'others' AS of_its_room;
CHECKPOINT;
SELECT seq FROM taskchat.send_system_message('epoch-1', 'x');
SELECT taskchat.room_epoch(:room) = :'epoch' AS stays;
SET ROLE taskchat_backend;
SELECT taskchat.new_epoch() <> taskchat.new_epoch() AS a_new_one_each_time;
RESET ROLE;
SELECT taskchat.room_epoch(:room) <> :'epoch' AS changed, taskchat.room_epoch(:other) <> :'others' AS everywhere;
SELECT count(*) AS epochs FROM taskchat.database_epoch;
SET ROLE taskchat_user;
SELECT taskchat.new_epoch();
RESET ROLE;
