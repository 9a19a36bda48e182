import { ocfUuid, resourceHref } from '@sallyport/protocol';
import { openLog, SystemClock } from '@sallyport/runtime';
import { openSqliteStore, type Store } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { Commands } from './commands.js';

const device = ocfUuid.parse('b5a2a42e-b285-42f1-a36b-034c8fc8efd5');
const update = { device, href: resourceHref.parse('/light/1'), actor: 'admin:alice', ttlSeconds: 10 };

it('a command of another replica reaches its device also when it is made while the others are read', async () => {
  const directory = temporaryDirectory();
  onTestFinished(() => void directory.remove());
  const file = directory.file('store.db');
  const [here, elsewhere] = [await openCommands(file), await openCommands(file)];
  const called = new Promise((resolve) => here.commands.onCommand(resolve));
  afterReading(here.store, () => elsewhere.commands.submit({ ...update, kind: 'update' }));
  here.commands.onApplicationBootstrap();
  expect(await called).toBe(device);
});

async function openCommands(file: string) {
  const store = await openSqliteStore({ file });
  const commands = new Commands(store, new SystemClock(), openLog({ destination: { write: () => undefined } }));
  onTestFinished(async () => {
    await commands.beforeApplicationShutdown();
    await store.close();
  });
  return { store, commands };
}

/** Does something once, after the last entry was read and before the reader goes on. */
function afterReading(store: Store, action: () => Promise<unknown>): void {
  const listAll = store.listAll.bind(store);
  let isDone = false;
  store.listAll = async function* (...request) {
    yield* listAll(...request);
    if (isDone) return;
    isDone = true;
    await action();
  };
}
