/**
 * Three projects: what stands beside its source (`parts`); what crosses services and has a mesh of its own (`own`), beside those; and what
 * crosses services and shares one mesh (`e2e`), one file after the other. All run on real PostgreSQL and Envoy (dev/src/testing/).
 */
import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './dev/src/testing/summary-reporter.ts';

const summaryFile = process.env.WEFT_TEST_SUMMARY;

export default defineConfig({
  test: {
    watch: false,
    maxWorkers: 2,
    reporters: ['default', ...(summaryFile === undefined ? [] : [new SummaryReporter(summaryFile)])],
    globalSetup: ['dev/src/testing/setup.ts'],
    projects: [
      {
        test: {
          name: 'parts',
          pool: 'forks',
          include: ['{values,runtime,envoy,gen,dev,web,services,test}/**/*.test.{ts,tsx}'],
          exclude: ['**/node_modules/**', 'test/e2e/**'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'own',
          pool: 'forks',
          include: ['test/e2e/own/**/*.test.{ts,tsx}'],
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'e2e',
          pool: 'forks',
          include: ['test/e2e/**/*.test.{ts,tsx}'],
          exclude: ['**/node_modules/**', 'test/e2e/own/**'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
