// Builds the preview page with esbuild: `npm run build:preview`, or with --watch while working on it.
import { build, context } from 'esbuild';
import { cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, '../node_modules');
const out = path.join(here, 'dist');
const watch = process.argv.includes('--watch');

/**
 * These CommonJS packages put their component under `exports.default`. The ES modules of @grafana/ui import it as
 * Node would, and get `{default}` instead of the component.
 */
const commonJsDefaults = {
  name: 'commonjs-defaults',
  setup(bundler) {
    const packages = /^(react-custom-scrollbars-2|calculate-size|react-highlight-words)$/;
    bundler.onResolve({ filter: packages }, async ({ path: name, pluginData, resolveDir, kind }) => {
      if (pluginData === 'original') {
        return undefined;
      }
      const found = await bundler.resolve(name, { resolveDir, kind, pluginData: 'original' });
      return found.errors.length > 0 ? found : { path: found.path, namespace: 'commonjs-default' };
    });
    bundler.onLoad({ filter: /./, namespace: 'commonjs-default' }, ({ path: file }) => ({
      contents: `
        import * as namespace from ${JSON.stringify(file)};
        export * from ${JSON.stringify(file)};
        export default namespace.default?.default ?? namespace.default;`,
      resolveDir: path.dirname(file),
    }));
  },
};

const options = {
  entryPoints: [path.join(here, 'src/main.ts')],
  outdir: path.join(out, 'build'),
  bundle: true,
  format: 'esm',
  splitting: true,
  minify: !watch,
  sourcemap: true,
  target: 'es2022',
  jsx: 'automatic',
  define: {
    'process.env.NODE_ENV': '"production"',
    // SystemJS puts an AMD `define` on the window for plugins; bundled UMD modules must not register with it.
    define: 'undefined',
  },
  loader: { '.svg': 'dataurl', '.ttf': 'file', '.woff2': 'file' },
  chunkNames: 'chunk-[hash]',
  logLevel: 'info',
  logOverride: { 'package.json': 'silent' },
  plugins: [commonJsDefaults],
};

await rm(out, { recursive: true, force: true });
await mkdir(path.join(out, 'public/build/img'), { recursive: true });
await cp(path.join(here, 'index.html'), path.join(out, 'index.html'));
await cp(path.join(modules, '@grafana/ui/dist/public/img/icons'), path.join(out, 'public/build/img/icons'), {
  recursive: true,
});
// Icons that @grafana/ui asks for and does not ship; the server gives missing.svg for the rarer ones.
await cp(path.join(here, 'icons'), path.join(out, 'public/build/img/icons'), { recursive: true, force: false });
const fonts = {
  'inter/Inter-Regular.woff2': 'inter/files/inter-latin-400-normal.woff2',
  'inter/Inter-Medium.woff2': 'inter/files/inter-latin-500-normal.woff2',
  'roboto/L0xTDF4xlVMF-BfR8bXMIhJHg45mwgGEFl0_3vrtSM1J-gEPT5Ese6hmHSh0mQ.woff2':
    'roboto-mono/files/roboto-mono-latin-400-normal.woff2',
};
for (const [asked, file] of Object.entries(fonts)) {
  await cp(path.join(modules, '@fontsource', file), path.join(out, 'public/fonts', asked));
}
if (watch) {
  await (await context(options)).watch();
} else {
  await build(options);
}
