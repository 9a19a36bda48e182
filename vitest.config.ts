import { readdirSync } from 'node:fs';
import { configDefaults, defineConfig } from 'vitest/config';

const conditions = ['@sallyport/source', 'node', 'import', 'default'];
const roots = ['libs', 'apps'].flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));
// These tell whole programs which ports to take, and another program of the machine may take one first. A test that
// needed its second try is named in the output.
const projectsWithFixedPorts = ['apps/cli', 'e2e'];
// A test there runs whole programs, and one program alone may have a minute.
const limitsOf = (root: string) => (root === 'e2e' ? { testTimeout: 120_000, hookTimeout: 240_000 } : {});
// Files that need a program which is missing, and which this user cannot install.
const { SALLYPORT_LEFT_OUT: leftOut = '' } = process.env;
const leftOutOf = (root: string) =>
  leftOut.split(':').flatMap((file) => (file.startsWith(`${root}/`) ? [file.slice(root.length + 1)] : []));
const project = (root: string) => ({
  extends: true as const,
  test: {
    name: `@sallyport/${root.split('/').at(-1)}`,
    root,
    include: ['src/**/*.spec.ts'],
    exclude: [...configDefaults.exclude, ...leftOutOf(root)],
    retry: projectsWithFixedPorts.includes(root) ? 1 : 0,
    ...limitsOf(root),
  },
});

export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
    pool: 'threads',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // No test is quicker for a shorter wait, and a busy machine may need the longer one.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      ...[...roots, 'e2e'].map(project),
      { extends: true, test: { name: 'tools', root: 'tools', include: ['**/*.spec.mjs'] } },
    ],
  },
});
