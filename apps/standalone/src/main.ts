import 'reflect-metadata';
import { processArguments } from '@sallyport/config';
import { openLog, runUntilSignal } from '@sallyport/runtime';
import { banner } from './banner.js';
import { startStandalone } from './standalone.js';
import { terminalLines } from './terminal-lines.js';

// Lines for people when a person is looking, JSON for whoever collects it otherwise.
const log = process.stderr.isTTY
  ? openLog({ destination: terminalLines(process.stderr) })
  : openLog({ destination: process.stderr });

await runUntilSignal(log, async () => {
  const running = await startStandalone({ ...processArguments(), log });
  process.stdout.write(banner(await running.describe()));
  return () => running.stop();
});
