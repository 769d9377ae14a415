-- The example of `make demo`: a small marketplace whose tasks are tied to
-- taskchat, four people, and one task in the middle of its story.
-- psql variable photos: where the relay serves the pictures of the page.

CREATE TABLE users (
    id   text PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE tasks (
    id         text PRIMARY KEY DEFAULT 'task-' || substr(md5(random()::text), 1, 6),
    title      text NOT NULL,
    price      numeric NOT NULL DEFAULT 120,
    status     text NOT NULL DEFAULT 'open',
    creator_id text NOT NULL REFERENCES users,
    worker_id  text REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE applications (
    task_id text NOT NULL REFERENCES tasks ON DELETE CASCADE,
    user_id text NOT NULL REFERENCES users,
    PRIMARY KEY (task_id, user_id)
);

-- The relay's log-in, and that of the application's back end.
CREATE ROLE demo_relay LOGIN IN ROLE taskchat_relay;
CREATE ROLE demo_backend LOGIN IN ROLE taskchat_backend;
GRANT SELECT, INSERT, UPDATE ON tasks, applications TO demo_backend;

-- From here on a new task opens its room, and a changed status is told in it.
SELECT taskchat.bind_tasks('tasks', 'id', 'creator_id', '{status}');

INSERT INTO users VALUES ('ada', 'Ada'), ('ben', 'Ben'), ('cleo', 'Cleo'), ('dan', 'Dan');
INSERT INTO tasks (id, title, creator_id) VALUES ('fence-12', 'Paint the garden fence', 'ada');

-- Three apply; each has a private conversation with Ada.
INSERT INTO applications VALUES ('fence-12', 'ben'), ('fence-12', 'cleo'), ('fence-12', 'dan');
SELECT taskchat.add_member('fence-12', 'ben', 'applicant');
SELECT taskchat.add_member('fence-12', 'cleo', 'applicant');
SELECT taskchat.add_member('fence-12', 'dan', 'applicant');
BEGIN;
SELECT taskchat.act_as('ben');
SELECT taskchat.send_message('fence-12', 'Hi Ada, I have painted quite a few fences. Is the paint included?', applicant_id => 'ben');
COMMIT;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.send_message('fence-12', 'Hello Ben! Yes, paint and brushes are in the shed.', applicant_id => 'ben');
SELECT taskchat.mark_read('fence-12', 1000, 'ben');
COMMIT;
BEGIN;
SELECT taskchat.act_as('cleo');
SELECT taskchat.send_message('fence-12', 'Hi! Would two afternoons be all right?', applicant_id => 'cleo');
SELECT taskchat.send_message('fence-12', 'I could start on Thursday.', applicant_id => 'cleo');
COMMIT;
BEGIN;
SELECT taskchat.act_as('dan');
SELECT taskchat.send_message('fence-12', 'How long is the fence, roughly?', applicant_id => 'dan');
COMMIT;

-- Ben is accepted, and the work begins.
UPDATE tasks SET worker_id = 'ben', status = 'assigned' WHERE id = 'fence-12';
SELECT taskchat.add_member('fence-12', 'ben', 'worker');
BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.send_message('fence-12', 'Thanks for taking this on! It is only this part, the side to the street:');
SELECT taskchat.send_message('fence-12', '', 'image', :'photos' || 'fence-before.svg', metadata => '{"width": 640, "height": 400}');
COMMIT;
BEGIN;
SELECT taskchat.act_as('ben');
SELECT taskchat.send_message('fence-12', 'Got it. I can be there on Saturday at nine.');
SELECT taskchat.mark_read('fence-12', 1000);
COMMIT;
BEGIN;
SELECT taskchat.act_as('ada');
SELECT taskchat.send_message('fence-12', 'Perfect, coffee will be ready ☕');
SELECT taskchat.mark_read('fence-12', 1000);
COMMIT;
UPDATE tasks SET status = 'in_progress' WHERE id = 'fence-12';
