import 'reflect-metadata';
import {
  type Log,
  openLog,
  RunningServices,
  runUntilSignal,
  type StartingProcess,
  SystemClock,
  startArguments,
  startProcess,
} from '@sallyport/runtime';
import { openBroker } from './open-broker.js';

const given = startArguments('mqtt-broker');
if (given !== undefined) {
  const log = openLog();
  await runUntilSignal(log, async () => {
    const { stop } = await startProcess({ ...given, log }, (process) => startBroker(process, log));
    return stop;
  });
}

/** The broker comes before its service, which is a client of it too. */
async function startBroker(process: StartingProcess, log: Log): Promise<void> {
  process.runs(['mqtt-broker']);
  const { service, store, connectionFor } = await openBroker(process, { log });
  const services = new RunningServices({
    ...process,
    log,
    clock: new SystemClock(),
    connectionFor,
    ...(store === undefined ? {} : { store }),
  });
  process.opened({ name: 'services', stop: () => services.stop() });
  await services.start(service);
}
