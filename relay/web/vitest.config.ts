/*
 * The unit and component tests: no network, no relay. A component test asks
 * for happy-dom in its first line.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.{ts,tsx}'],
		environment: 'node',
		/* The machine may be busy with other things. */
		testTimeout: 60_000,
		hookTimeout: 60_000,
	},
});
