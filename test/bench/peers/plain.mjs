// The database of a chat as it is usually written: plain tables, rights checked
// by the relay, NOTIFY with the whole message. Shared by node-ws and socketio.

const SCHEMA = `
CREATE TABLE members (room text, user_id text, PRIMARY KEY (room, user_id));
CREATE TABLE messages (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	room text NOT NULL,
	sender text NOT NULL,
	content text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON messages (room, id);
`;

// rooms: [{task, users}]. sql(text) runs statements.
export async function prepare({ sql, rooms }) {
  const members = rooms.flatMap(({ task, users }) => users.map((user) => `('${task}', '${user}')`));
  await sql(`${SCHEMA}
INSERT INTO members VALUES ${members.join(', ')};
VACUUM ANALYZE members;`);
}

export const STORE = 'INSERT INTO messages (sender, room, content) VALUES ($1, $2, $3) RETURNING *';
export const MEMBER = { name: 'member', text: 'SELECT FROM members WHERE room = $1 AND user_id = $2' };
export const MEMBERS = { name: 'members', text: 'SELECT user_id FROM members WHERE room = $1 ORDER BY user_id LIMIT 200' };
export const HISTORY = { name: 'history', text: 'SELECT * FROM messages WHERE room = $1 ORDER BY id DESC LIMIT 50' };
export const MISSED = { name: 'missed', text: 'SELECT * FROM messages WHERE room = $1 AND id > $2 ORDER BY id LIMIT 500' };
