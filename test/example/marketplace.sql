-- An application that uses taskchat: people who have something to do, people
-- who do it, applications and payments. Read it from top to bottom: the tables
-- know nothing of taskchat, one call binds them, and each function of the back
-- end writes its row and tells the room about it in one transaction.
--
-- Needs: CREATE EXTENSION taskchat. The tests run it; see sql/marketplace.sql.

CREATE SCHEMA market;

CREATE TABLE market.users (
    id    uuid PRIMARY KEY,
    name  text NOT NULL
);

CREATE TYPE market.task_status AS ENUM ('open', 'assigned', 'in_progress', 'done', 'cancelled');

CREATE TABLE market.tasks (
    id         uuid PRIMARY KEY,
    creator_id uuid NOT NULL REFERENCES market.users,
    title      text NOT NULL,
    status     market.task_status NOT NULL DEFAULT 'open',
    price      numeric(10,2) NOT NULL CHECK (price > 0),
    worker_id  uuid REFERENCES market.users,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE market.applications (
    task_id      uuid NOT NULL REFERENCES market.tasks ON DELETE CASCADE,
    applicant_id uuid NOT NULL REFERENCES market.users,
    offer        numeric(10,2) NOT NULL,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'rejected')),
    PRIMARY KEY (task_id, applicant_id)
);

CREATE TABLE market.progress (
    task_id  uuid NOT NULL REFERENCES market.tasks ON DELETE CASCADE,
    percent  int NOT NULL CHECK (percent BETWEEN 0 AND 100),
    photo    text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE market.payments (
    id       uuid PRIMARY KEY,
    task_id  uuid NOT NULL REFERENCES market.tasks,
    payee_id uuid NOT NULL REFERENCES market.users,
    amount   numeric(10,2) NOT NULL,
    paid_at  timestamptz NOT NULL DEFAULT now()
);

-- From here on a task has a room, its status, price and worker are told in it,
-- and who is deleted leaves.
SELECT taskchat.bind_tasks('market.tasks', watch => '{status,price,worker_id}', users => 'market.users');

-- What the back end's programs log in as.
CREATE ROLE market_backend IN ROLE taskchat_backend;
GRANT USAGE ON SCHEMA market TO market_backend;
GRANT ALL ON ALL TABLES IN SCHEMA market TO market_backend;

-- A task. The room opens by itself.
CREATE FUNCTION market.create_task(id uuid, creator uuid, title text, price numeric) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO market.tasks (id, creator_id, title, price) VALUES (id, creator, title, price);
$$;

-- Somebody applies: a private conversation with the creator, who is notified.
CREATE FUNCTION market.apply(task uuid, applicant uuid, offer numeric) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO market.applications (task_id, applicant_id, offer) VALUES (task, applicant, offer);
    PERFORM taskchat.add_member(task::text, applicant::text, 'applicant');
    PERFORM taskchat.send_system_message(task::text, format('Offer: %s', offer), applicant_id => applicant::text);
END
$$;

-- Anybody in a conversation says something.
CREATE FUNCTION market.say(task uuid, who uuid, words text, to_applicant uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM taskchat.act_as(who::text);
    RETURN (taskchat.send_message(task::text, words, applicant_id => to_applicant::text)).seq;
END
$$;

-- The creator takes one offer and turns the others down.
CREATE FUNCTION market.accept(task uuid, applicant uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    other uuid;
BEGIN
    UPDATE market.applications a SET status = CASE a.applicant_id WHEN applicant THEN 'accepted' ELSE 'rejected' END
        WHERE a.task_id = task;
    UPDATE market.tasks t SET status = 'assigned', worker_id = applicant,
            price = (SELECT a.offer FROM market.applications a WHERE a.task_id = task AND a.applicant_id = applicant)
        WHERE t.id = task;
    PERFORM taskchat.add_member(task::text, applicant::text, 'worker');
    FOR other IN SELECT a.applicant_id FROM market.applications a WHERE a.task_id = task AND a.status = 'rejected' ORDER BY 1 LOOP
        PERFORM taskchat.notify_user(other::text, 'application_rejected', '{}', task::text);
        PERFORM taskchat.close_room(task::text, other::text);
    END LOOP;
END
$$;

-- The worker shows how it goes.
CREATE FUNCTION market.report(task uuid, percent int, photo text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    worker uuid := (SELECT t.worker_id FROM market.tasks t WHERE t.id = task);
BEGIN
    INSERT INTO market.progress (task_id, percent, photo) VALUES (task, percent, photo);
    UPDATE market.tasks t SET status = CASE WHEN percent = 100 THEN 'done' ELSE 'in_progress' END::market.task_status WHERE t.id = task;
    PERFORM taskchat.act_as(worker::text);
    PERFORM taskchat.send_message(task::text, format('%s %%', percent), 'image', photo,
        client_msg_id => format('progress-%s', percent), metadata => jsonb_build_object('percent', percent));
END
$$;

-- The money is on its way: the payee's own business, so a notification; and the room closes.
CREATE FUNCTION market.pay(id uuid, task uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    payee uuid;
    price numeric;
BEGIN
    SELECT t.worker_id, t.price INTO payee, price FROM market.tasks t WHERE t.id = task;
    INSERT INTO market.payments (id, task_id, payee_id, amount) VALUES (id, task, payee, price);
    PERFORM taskchat.notify_user(payee::text, 'payment_received', jsonb_build_object('payment', id, 'amount', price), task::text);
    PERFORM taskchat.send_system_message(task::text, 'The task is paid.');
    PERFORM taskchat.close_room(task::text);
END
$$;
