import { openSqliteStore } from './index.js';

// Run as a process of its own by a test: writes as fast as it can, and prints each key once its write is acknowledged.
const [, , file = '', mode] = process.argv;
const store = await openSqliteStore({ file });
for (let index = 0; mode !== 'once' || index === 0; index += 1) {
  await store.transaction(
    [],
    [
      { put: `acknowledged/${index}`, value: index },
      { put: `pair/${index}`, value: index },
    ],
  );
  process.stdout.write(`${index}\n`);
}
await store.close();
