/*
 * The unit and component tests: no network, no relay. A component test asks
 * for happy-dom in its first line.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.{ts,tsx}'],
		environment: 'node',
	},
});
