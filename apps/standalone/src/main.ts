import 'reflect-metadata';
import type { ProcessArguments } from '@sallyport/config';
import { openLog, runUntilSignal, startArguments } from '@sallyport/runtime';
import { announce, announceFailure, isConflict } from './banner.js';
import { startStandalone } from './standalone.js';
import { terminalLines } from './terminal-lines.js';

const given = startArguments('sallyport-standalone');
if (given !== undefined) await run(given);

async function run(options: ProcessArguments): Promise<void> {
  // Readable lines on a terminal, JSON for a log collector.
  const destination = process.stderr.isTTY ? terminalLines(process.stderr) : process.stderr;
  const log = openLog({ destination });
  // The reader of the log may end. The services go on without it.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
  await runUntilSignal(log, async () => {
    const running = await startStandalone({ ...options, log }).catch((error: unknown) => {
      announceFailure(error, process.stdout);
      if (isConflict(error)) process.exit(1);
      throw error;
    });
    await announce(running, process.stdout, log);
    return () => running.stop();
  });
}
