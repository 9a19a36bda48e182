import { openSqliteStore } from '@sallyport/store';
import { Twin } from './index.js';

// Run as a process of its own by a test: devices write as fast as they can, and each acknowledged write is printed.
const [, , file = '', firstCount = '0'] = process.argv;
const twin = new Twin(await openSqliteStore({ file }), { clock: { now: () => new Date() } });
// The broker is away: no event is ever taken.
void twin.run({ signal: new AbortController().signal, publish: () => new Promise(() => undefined) });

async function writeForEver(device: string): Promise<void> {
  for (let count = Number(firstCount); ; count += 1) {
    const atMicros = await twin.write(device, new Map([['count', String(count)]]));
    process.stdout.write(`${device} ${count} ${atMicros}\n`);
  }
}

await Promise.all(Array.from({ length: 20 }, (_, index) => writeForEver(`device-${index}`)));
