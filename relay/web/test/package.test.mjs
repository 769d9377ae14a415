/*
 * package.test.mjs: the package as others get it: packed, checked by the usual
 * tools, installed into a fresh directory, bundled by Vite and esbuild, rendered
 * on a server, and weighed. Needs a build (npm run build).
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { build as esbuild } from 'esbuild';
import { publint } from 'publint';

const web = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const modules = path.join(web, 'node_modules');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'taskchat-package-'));
const installed = path.join(dir, 'node_modules', 'taskchat-client');
let tarball;

/*
 * Bytes, gzipped file by file, that a page loads. Core: all that TaskChatClient
 * needs to connect, to show conversations and to send. Later: what it fetches
 * when a room is live (acks, read marks, typing), when older messages are asked
 * for, and where sockets are blocked.
 */
const CORE_LIMIT = 8000;
const LATER_LIMITS = { signals: 1000, history: 400, polling: 2750 };
const REACT_LIMIT = 20480;

const run = (program, ...args) => execFileSync(program, args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
const gzipped = (bytes) => zlib.gzipSync(bytes, { level: 9 }).length;

before(() => {
	const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--no-update-notifier', '--pack-destination', dir], {
		cwd: web, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'],
	}));
	tarball = { ...packed, file: path.join(dir, packed.filename) };
	write('package.json', JSON.stringify({ name: 'fresh', private: true, type: 'module' }));
	/* Without a registry: the package has no dependencies, and React is the application's own. */
	run('npm', 'install', '--offline', '--no-audit', '--no-fund', '--legacy-peer-deps', tarball.file);
	for (const name of ['react', 'react-dom', 'scheduler', 'vite'])
		fs.symlinkSync(path.join(modules, name), path.join(dir, 'node_modules', name));
});
after(() => fs.rmSync(dir, { recursive: true }));

test('holds what users need, and no more', () => {
	const names = tarball.files.map((file) => file.path);
	for (const name of ['package.json', 'README.md', 'LICENSE', 'react/styles.css', 'dist/client/index.js', 'dist/client/index.d.ts',
		'dist/client/index.js.map', 'dist/react/index.js', 'dist/react/index.d.ts'])
		assert.ok(names.includes(name), name);
	assert.deepEqual(names.filter((name) => !/^(package\.json|README\.md|LICENSE|react\/styles(\/\w+)?\.css|dist\/(client|react)\/[\w.]+\.(js|js\.map|d\.ts))$/.test(name)), []);
	const { dependencies, version } = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'));
	assert.equal(dependencies, undefined);
	assert.equal(version, tarball.version);
});

test('publint finds nothing', async () => {
	const { messages } = await publint({ pkgDir: installed, strict: true });
	assert.deepEqual(messages, []);
});

test('the types are right for ES modules', () => {
	try {
		run(path.join(modules, '.bin', 'attw'), tarball.file, '--profile', 'esm-only', '--exclude-entrypoints', './styles.css', '--format', 'ascii');
	} catch (error) {
		assert.fail(`${error.stdout}${error.stderr}`);
	}
});

test('source maps carry the source', () => {
	const map = JSON.parse(fs.readFileSync(path.join(installed, 'dist/client/index.js.map'), 'utf8'));
	assert.match(map.sourcesContent[map.sources.findIndex((name) => name.endsWith('client/room.ts'))], /class Room/);
});

test('types of a strict application fit', () => {
	write('app.tsx', `
		import { TaskChatClient, TaskChatError, CloseCode } from 'taskchat-client';
		import type { Message, RoomState } from 'taskchat-client';
		import { TaskChatProvider, TaskMessaging } from 'taskchat-client/react';
		const client = new TaskChatClient({ url: 'ws://x/ws', getToken: async () => 'token', resolveUser: (id) => ({ name: id }) });
		client.on('message_received', ({ message }: { message: Message }) => message.content.toUpperCase());
		const state: RoomState = client.room('t').getState();
		export const text: string[] = state.entries.flatMap((entry) => (entry.kind === 'message' ? [entry.message.content] : []));
		export const failed = (error: unknown): boolean => error instanceof TaskChatError && error.code === 'forbidden';
		export const code: 4403 = CloseCode.notAllowed;
		export const App = () => <TaskChatProvider client={client}><TaskMessaging taskId="t" /></TaskChatProvider>;
	`);
	const types = path.join(dir, 'node_modules', '@types');
	fs.mkdirSync(types, { recursive: true });
	for (const name of ['react', 'react-dom'])
		fs.symlinkSync(path.join(modules, '@types', name), path.join(types, name));
	/* The last is what Next.js writes into a new project. */
	for (const [module, moduleResolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler'], ['esnext', 'node']]) {
		write('tsconfig.json', JSON.stringify({ compilerOptions: {
			strict: true, noEmit: true, module, moduleResolution, jsx: 'react-jsx', target: 'es2022',
			lib: ['es2022', 'dom'], exactOptionalPropertyTypes: true, types: ['react'],
		}, files: ['app.tsx'] }));
		try {
			run(path.join(modules, '.bin', 'tsc'), '-p', '.');
		} catch (error) {
			assert.fail(`${moduleResolution}: ${error.stdout}`);
		}
	}
});

test('a fresh Vite application builds', () => {
	write('index.html', '<!doctype html><div id="root"></div><script type="module" src="/main.js"></script>');
	write('main.js', `
		import { createElement } from 'react';
		import { createRoot } from 'react-dom/client';
		import { TaskChatClient } from 'taskchat-client';
		import { TaskChatProvider, TaskMessaging } from 'taskchat-client/react';
		import 'taskchat-client/styles.css';
		const client = new TaskChatClient({ url: 'ws://127.0.0.1:1/ws', getToken: () => '' });
		createRoot(document.getElementById('root')).render(
			createElement(TaskChatProvider, { client }, createElement(TaskMessaging, { taskId: 't' })));
	`);
	run(process.execPath, path.join(modules, 'vite/bin/vite.js'), 'build', '--logLevel', 'warn');
	const assets = fs.readdirSync(path.join(dir, 'dist/assets'));
	assert.ok(assets.some((name) => name.endsWith('.css')), 'the look is in it');
	for (const part of Object.keys(LATER_LIMITS))
		assert.ok(assets.some((name) => name.startsWith(`${part}-`)), `${part} is a chunk of its own`);
});

test('renders on a server, without a page, and opens nothing', () => {
	write('server.mjs', `
		import { createElement } from 'react';
		import { renderToString } from 'react-dom/server';
		import { TaskChatClient } from 'taskchat-client';
		import { TaskChatProvider, TaskMessaging } from 'taskchat-client/react';
		const client = new TaskChatClient({ url: 'ws://127.0.0.1:1/ws', getToken: () => { throw new Error('asked'); } });
		console.log(renderToString(createElement(TaskChatProvider, { client }, createElement(TaskMessaging, { taskId: 't', title: 'Fence' }))));
	`);
	const html = run(process.execPath, 'server.mjs');
	assert.match(html, /Fence/);
	assert.match(html, /data-testid="message-list"/);
});

test('what uses hooks says "use client" in its first statement', () => {
	const files = fs.readdirSync(path.join(installed, 'dist/react')).filter((name) => name.endsWith('.js'));
	const hooked = files.filter((name) => {
		const code = fs.readFileSync(path.join(installed, 'dist/react', name), 'utf8').replace(/^\s*\/\*[^]*?\*\/\s*/, '');
		return /\b(use[A-Z]\w*|createContext|memo)\(/.test(code) && !/^['"]use client['"]/.test(code);
	});
	assert.deepEqual(hooked, []);
});

/* Bundles a module; gives the gzipped bytes of what it loads at once, and of each part that it loads later. */
async function weigh(text) {
	const { outputFiles, metafile } = await esbuild({
		stdin: { contents: text, resolveDir: dir }, bundle: true, minify: true, splitting: true, format: 'esm', target: 'es2022',
		outdir: path.join(dir, 'out'), write: false, metafile: true, external: ['react', 'react-dom', 'react/jsx-runtime'],
	});
	const outputs = Object.entries(metafile.outputs);
	const byName = new Map(outputs.map(([name, output]) => [name, output]));
	const now = new Set();
	const take = (name) => {
		if (!byName.has(name) || now.has(name))
			return;
		now.add(name);
		for (const one of byName.get(name).imports)
			if (one.kind === 'import-statement')
				take(one.path);
	};
	take(outputs.find(([, output]) => output.entryPoint)[0]);
	let atOnce = 0;
	const later = {};
	for (const { path: name, contents } of outputFiles)
		if (now.has(path.relative(process.cwd(), name)))
			atOnce += gzipped(contents);
		else
			later[path.basename(name).replace(/-.*/, '')] = gzipped(contents);
	return { atOnce, later };
}

test('weighs what it should', async (t) => {
	const core = await weigh("export { TaskChatClient } from 'taskchat-client'");
	const react = await weigh("export * from 'taskchat-client/react'");
	t.diagnostic(`gzipped bytes: core ${core.atOnce}, later ${JSON.stringify(core.later)}, react with the core ${react.atOnce}`);
	assert.ok(core.atOnce <= CORE_LIMIT, `core: ${core.atOnce}`);
	assert.deepEqual(Object.keys(core.later).sort(), Object.keys(LATER_LIMITS).sort());
	for (const [part, limit] of Object.entries(LATER_LIMITS))
		assert.ok(core.later[part] <= limit, `${part}: ${core.later[part]}`);
	assert.ok(react.atOnce - core.atOnce <= REACT_LIMIT, `react: ${react.atOnce - core.atOnce}`);
});
