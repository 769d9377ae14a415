/*
 * backend.mjs: a stand-in for the application's own back end in the demo. It
 * speaks plain SQL and nothing else: it changes rows of the application's
 * tables, which are bound to taskchat by bind_tasks(), and calls taskchat's
 * functions for back ends. What the page then shows came from the database.
 *
 *   GET  /task?task_id=…                   → the task, with its applicants
 *   GET  /stats                            → delivery_stats() since the start
 *   POST /tasks   {title, creator_id}      → a new task
 *   POST /apply   {task_id, user_id}       → the task
 *   POST /accept  {task_id, user_id}       → the task
 *   POST /status  {task_id, status}        → the task
 *   POST /pay     {task_id}                → the task
 *   POST /upload  a picture                → {url}
 *
 * Environment: DATABASE_URL, PORT (0: any free one), ALLOWED_ORIGIN (whose
 * page may ask; a comma list), UPLOAD_DIR and UPLOAD_URL (where pictures are
 * put, and how they are fetched). Prints one line when it is ready; SIGTERM
 * and SIGINT end it.
 */

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import pg from 'pg';

const STATUSES = new Set(['open', 'assigned', 'in_progress', 'completed']);
const MAX_BODY = 4096;
const MAX_PICTURE = 5_000_000;
const MAX_PICTURES = 100;
const { UPLOAD_DIR, UPLOAD_URL } = process.env;
const origins = new Set((process.env.ALLOWED_ORIGIN ?? '').split(',').map((one) => one.trim()).filter(Boolean));
/* The figures leave out what was written before anybody was there to receive it. */
const began = new Date();
let pictures = 0;

const pool = new pg.Pool({
	connectionString: process.env.DATABASE_URL,
	max: 2,
	connectionTimeoutMillis: 5000,
	application_name: 'taskchat demo back end',
});
/* An idle connection that breaks is replaced by the pool; the next query tells if it can't be. */
pool.on('error', () => {});

class Refusal extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

/* ---- what is asked ---- */

async function readBytes(request, limit) {
	const chunks = [];
	let size = 0;
	for await (const chunk of request) {
		size += chunk.length;
		if (size > limit)
			throw new Refusal(413, 'the body is too large');
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

async function readBody(request) {
	const text = (await readBytes(request, MAX_BODY)).toString('utf8');
	try {
		return JSON.parse(text) ?? {};
	} catch {
		throw new Refusal(400, 'the body is no JSON');
	}
}

function textOf(body, name) {
	const value = body[name];
	if (typeof value !== 'string' || value.trim() === '')
		throw new Refusal(400, `${name} is needed`);
	return value.trim();
}

/* ---- the application ---- */

const TASK = `SELECT id, title, price::float8 AS price, status, creator_id, worker_id,
		array(SELECT user_id FROM applications WHERE task_id = tasks.id ORDER BY user_id) AS applicants
	FROM tasks WHERE id = $1`;

async function taskOf(db, taskId) {
	const { rows: [task] } = await db.query(TASK, [taskId]);
	if (!task)
		throw new Refusal(404, 'no such task');
	return task;
}

/* Statements that belong together; each is an array of text and values. */
async function transaction(taskId, statements) {
	const db = await pool.connect();
	try {
		await db.query('BEGIN');
		await taskOf(db, taskId);
		for (const [text, ...values] of statements)
			await db.query(text, values);
		const task = await taskOf(db, taskId);
		await db.query('COMMIT');
		return task;
	} catch (error) {
		await db.query('ROLLBACK');
		throw error;
	} finally {
		db.release();
	}
}

async function getTask(_request, url) {
	return taskOf(pool, textOf({ task_id: url.searchParams.get('task_id') }, 'task_id'));
}

async function getStats() {
	const { rows: [stats] } = await pool.query('SELECT * FROM taskchat.delivery_stats($1)', [began]);
	return stats;
}

async function createTask(request) {
	const body = await readBody(request);
	const { rows: [{ id }] } = await pool.query(
		'INSERT INTO tasks (title, creator_id) VALUES ($1, $2) RETURNING id', [textOf(body, 'title'), textOf(body, 'creator_id')],
	);
	return taskOf(pool, id);
}

async function apply(request) {
	const body = await readBody(request);
	const [taskId, userId] = [textOf(body, 'task_id'), textOf(body, 'user_id')];
	return transaction(taskId, [
		['INSERT INTO applications VALUES ($1, $2) ON CONFLICT DO NOTHING', taskId, userId],
		["SELECT taskchat.add_member($1, $2, 'applicant')", taskId, userId],
	]);
}

async function accept(request) {
	const body = await readBody(request);
	const [taskId, userId] = [textOf(body, 'task_id'), textOf(body, 'user_id')];
	return transaction(taskId, [
		["UPDATE tasks SET worker_id = $2, status = 'assigned' WHERE id = $1", taskId, userId],
		["SELECT taskchat.add_member($1, $2, 'worker')", taskId, userId],
	]);
}

async function setStatus(request) {
	const body = await readBody(request);
	const taskId = textOf(body, 'task_id');
	if (!STATUSES.has(body.status))
		throw new Refusal(400, `status must be one of ${[...STATUSES].join(', ')}`);
	return transaction(taskId, [['UPDATE tasks SET status = $2 WHERE id = $1', taskId, body.status]]);
}

async function pay(request) {
	const taskId = textOf(await readBody(request), 'task_id');
	const task = await taskOf(pool, taskId);
	if (task.worker_id === null)
		throw new Refusal(409, 'nobody has worked on this task');
	return transaction(taskId, [
		["UPDATE tasks SET status = 'paid' WHERE id = $1", taskId],
		["SELECT taskchat.notify_user($2, 'payment_received', jsonb_build_object('amount', $3::numeric), $1)", taskId, task.worker_id, task.price],
	]);
}

/* The kind of a picture by its first bytes, whatever the browser says. */
function kindOf(bytes) {
	if (bytes.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47])))
		return 'png';
	if (bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff])))
		return 'jpg';
	return bytes.subarray(8, 12).toString('latin1') === 'WEBP' ? 'webp' : null;
}

async function upload(request) {
	const bytes = await readBytes(request, MAX_PICTURE);
	const kind = kindOf(bytes);
	if (kind === null)
		throw new Refusal(400, 'only PNG, JPEG and WebP pictures are taken');
	if (++pictures > MAX_PICTURES)
		throw new Refusal(429, 'the demo takes no more pictures');
	const name = `${randomUUID()}.${kind}`;
	await writeFile(path.join(UPLOAD_DIR, name), bytes);
	return { url: `${UPLOAD_URL}/${name}` };
}

/* ---- HTTP ---- */

const routes = new Map(Object.entries({
	'GET /task': getTask, 'GET /stats': getStats, 'POST /tasks': createTask, 'POST /apply': apply,
	'POST /accept': accept, 'POST /status': setStatus, 'POST /pay': pay, 'POST /upload': upload,
}));

/* Which HTTP status an error means: a value that SQL refuses is the asker's fault. */
function statusOf(error) {
	if (error instanceof Refusal)
		return error.status;
	return /^(22|23|P0002|42501|55000)/.test(String(error.code)) ? 400 : 503;
}

function corsHeaders(request) {
	const origin = request.headers.origin;
	if (!origin || !(origins.has(origin) || origins.has('*')))
		return {};
	return {
		'Access-Control-Allow-Origin': origin,
		'Access-Control-Allow-Methods': 'GET, POST',
		'Access-Control-Allow-Headers': 'Content-Type',
		'Access-Control-Max-Age': '600',
		Vary: 'Origin',
	};
}

async function route(request, headers) {
	const url = new URL(request.url, 'http://localhost');
	const handler = routes.get(`${request.method} ${url.pathname}`);
	if (!handler)
		throw new Refusal(404, 'no such route');
	/* Only the page itself may change something, or who is no browser. */
	if (request.method === 'POST' && request.headers.origin && !headers['Access-Control-Allow-Origin'])
		throw new Refusal(403, 'this origin is not allowed');
	return handler(request, url);
}

async function answer(request, response) {
	const headers = { ...corsHeaders(request), 'Cache-Control': 'no-store' };
	if (request.method === 'OPTIONS') {
		response.writeHead(204, headers).end();
		return;
	}
	let status = 200;
	let body;
	try {
		body = await route(request, headers);
	} catch (error) {
		status = statusOf(error);
		body = { error: status === 503 ? 'the database does not answer' : error.message };
		if (status === 503)
			process.stderr.write(`demo back end: ${error.message}\n`);
	}
	response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

const server = createServer(answer);

async function stop() {
	server.close();
	server.closeAllConnections();
	await pool.end();
	process.exit(0);
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
server.on('error', (error) => {
	process.stderr.write(`demo back end: ${error.message}\n`);
	process.exit(1);
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
	process.stdout.write(`demo back end ready: http://127.0.0.1:${server.address().port}\n`);
});
