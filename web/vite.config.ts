/**
 * Builds the page: `npm run build -w @weft/web` writes web/dist, which web/server.ts serves. Nothing of the place where it runs is
 * built in; the page reads `/config.json` when it starts.
 */

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2023', sourcemap: false, reportCompressedSize: false },
});
