import { defineConfig } from 'vitest/config';

export default defineConfig(({ mode }) => {
  const campaign = mode === 'campaign';
  return {
    root: `${import.meta.dirname}/..`,
    oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
    test: {
      include: campaign ? [`test/**/${process.env['CAMPAIGN'] ?? '*'}.campaign.ts`] : ['test/**/*.spec.ts'],
      exclude: ['test/types/**', 'test/package/apps/**'],
      globalSetup: ['test/global-setup.ts'],
      setupFiles: ['test/setup.ts'],
      allowOnly: false,
      pool: 'forks',
      maxWorkers: 2,
      testTimeout: campaign ? 600_000 : 20_000,
      hookTimeout: 60_000,
      reporters: ['default', ['json', { outputFile: '.build/test-results.json' }]],
    },
  };
});
