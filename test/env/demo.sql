-- The example of `make demo`: a small marketplace whose tasks are tied to
-- taskchat, two people, one task and the beginning of their conversation.
-- psql variable image_url: a picture that the relay serves.

CREATE TABLE users (
    id   text PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE tasks (
    id         text PRIMARY KEY,
    title      text NOT NULL,
    status     text NOT NULL DEFAULT 'open',
    creator_id text NOT NULL REFERENCES users
);

-- The relay's log-in, and that of the application's back end.
CREATE ROLE demo_relay LOGIN IN ROLE taskchat_relay;
CREATE ROLE demo_backend LOGIN IN ROLE taskchat_backend;
GRANT SELECT, UPDATE ON tasks TO demo_backend;

-- From here on a new task opens its room, and a changed status is told in it.
SELECT taskchat.bind_tasks('tasks', 'id', 'creator_id', '{status}');

INSERT INTO users VALUES ('ada', 'Ada'), ('ben', 'Ben');
INSERT INTO tasks (id, title, creator_id) VALUES ('fence-12', 'Paint the garden fence', 'ada');
SELECT taskchat.add_member('fence-12', 'ben', 'worker');
SELECT taskchat.send_system_message('fence-12', 'Ben was accepted for this task.');

BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.send_message('fence-12', 'Hi Ben, thanks for taking this on! The paint is in the shed.');
COMMIT;
BEGIN;
SELECT taskchat.act_as('ben');
SELECT taskchat.send_message('fence-12', 'Great. Is it the whole fence, or only the side to the street?');
COMMIT;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.send_message('fence-12', 'Only this part, please:');
SELECT taskchat.send_message('fence-12', 'The side to the street', 'image', :'image_url');
SELECT taskchat.mark_read('fence-12', 1000);
COMMIT;

UPDATE tasks SET status = 'assigned' WHERE id = 'fence-12';

BEGIN;
SELECT taskchat.act_as('ben');
SELECT taskchat.send_message('fence-12', 'Got it, I start on Saturday at nine.');
COMMIT;
