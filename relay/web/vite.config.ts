/*
 * Builds the demo page into dist-demo, which the relay serves by `web_root`.
 * The page is all static files of one origin, without inline scripts, so that
 * a strict Content-Security-Policy holds.
 */
import { defineConfig } from 'vite';

export default defineConfig({
	root: 'demo',
	build: {
		outDir: '../dist-demo',
		emptyOutDir: true,
		assetsInlineLimit: 0,
		modulePreload: false,
	},
});
