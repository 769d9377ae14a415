/*
 * build.mjs: makes dist, which is what the package holds. The components stay
 * modules as tsc writes them, for bundlers to choose from. The client, whose
 * modules nobody imports one by one, becomes one file, and one more for each
 * part that it loads later; both are made small here, because a bundler can't
 * know that names beginning with "_" are the client's own.
 */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const web = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(web, 'dist');
const client = path.join(dist, 'client');

/* Loaded by import() when they are needed. Each holds what it uses of the others: a few lines. */
const LATER = ['history', 'polling', 'signals'];

/* The same short names in all files. */
const mangleCache = {};

async function write(name) {
	const { outputFiles, mangleCache: names } = await build({
		entryPoints: [path.join(web, 'client', `${name}.ts`)], outdir: client, bundle: true, format: 'esm', target: 'es2022',
		minify: true, sourcemap: 'external', write: false, external: LATER.map((part) => `./${part}.js`),
		mangleProps: /^_/, mangleCache,
	});
	Object.assign(mangleCache, names);
	const [map, code] = outputFiles.map((file) => file.text);
	const small = await minify({ [`${name}.js`]: code }, {
		module: true, ecma: 2020, compress: { passes: 3, pure_getters: true }, sourceMap: { content: map, url: `${name}.js.map`, includeSources: true },
	});
	fs.writeFileSync(path.join(client, `${name}.js`), small.code);
	fs.writeFileSync(path.join(client, `${name}.js.map`), small.map);
}

fs.rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [path.join(web, 'node_modules/typescript/bin/tsc'), '-p', path.join(web, 'tsconfig.build.json')], { stdio: 'inherit' });
for (const name of fs.readdirSync(client).filter((file) => /\.js(\.map)?$/.test(file)))
	fs.rmSync(path.join(client, name));
for (const name of ['index', ...LATER])
	await write(name);
