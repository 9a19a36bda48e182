import { cloudConnection } from '@sallyport/cloud';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { ExitStatus, Failure } from '../failure.js';
import { type GlobalOptions, globalOptions, optionsOf } from '../options.js';
import { writeJson } from '../output.js';
import { openSite, type Site } from '../site/site.js';
import { chosenConnection, commandLineOf } from './chosen-connection.js';
import { bridgeOf } from './cloud-services.js';
import { CloudSteps } from './cloud-step.js';
import { cloudTitle } from './cloud-words.js';
import { connectCloud, disconnectCloud } from './connecting.js';
import { checkConnection } from './connection-check.js';
import { isConnected, requireListInFile } from './connection-list.js';

const connectOptions = globalOptions.extend({ test: z.boolean().default(false), offline: z.boolean().default(false) });

const cloudArgument = ['<cloud>', 'c8y, az, aws, or the name of a user-defined mapper'] as const;

// As of thin-edge.io: connected, but the renewed certificate was rejected.
const rejectedExitCode = 3;
// As of thin-edge.io for user-defined mappers.
const notRunningExitCode = 2;
const bridgeDownExitCode = 3;

/** `connect`: connects this device to a cloud and checks it; `--test` only checks. */
export function connectCommand(context: CliContext, program: Command): void {
  program
    .command('connect')
    .description('connect this device to a cloud: start bridge and proxy, and check that they work')
    .argument(...cloudArgument)
    .addOption(profileOption())
    .option('--test', 'only check a connection there is')
    .option('--offline', 'only write the settings: nothing is dialled and nothing checked')
    .action(async (_cloud: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, connectOptions);
      if (given.test && given.offline) command.error('option --test cannot be used with option --offline');
      await told(context, command, given, async (run) => {
        if (given.test) return testConnection(run);
        return connect(run, { isOffline: given.offline, isReconnect: false });
      });
    });
}

/** `reconnect`: ends a connection and makes it anew, so that changed settings and a renewed certificate count. */
export function reconnectCommand(context: CliContext, program: Command): void {
  program
    .command('reconnect')
    .description('connect this device to a cloud anew, with its present settings and certificate')
    .argument(...cloudArgument)
    .addOption(profileOption())
    .action(async (_cloud: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      await told(context, command, given, (run) => connect(run, { isOffline: false, isReconnect: true }));
    });
}

/** `disconnect`: ends a connection. Fine when there is none. */
export function disconnectCommand(context: CliContext, program: Command): void {
  program
    .command('disconnect')
    .description('end the connection of this device to a cloud')
    .argument(...cloudArgument)
    .addOption(profileOption())
    .action(async (_cloud: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      await told(context, command, given, disconnect);
    });
}

/** A command for one connection. */
interface Run {
  readonly site: Site;
  readonly name: string;
  readonly steps: CloudSteps;
}

/** Runs the work. With `--json` it tells of all steps at the end, also when one failed. */
async function told(
  context: CliContext,
  command: Command,
  given: GlobalOptions,
  work: (run: Run) => Promise<void>,
): Promise<void> {
  const name = chosenConnection(context, command);
  const steps = new CloudSteps(context, given.json);
  try {
    await work({ site: await openSite(context, given), name, steps });
  } finally {
    if (given.json) writeJson(context, { connection: name, steps: steps.steps });
  }
}

async function connect(run: Run, how: { readonly isOffline: boolean; readonly isReconnect: boolean }): Promise<void> {
  const outcome = await connectCloud({ ...run, ...how });
  if (outcome === 'rejected') throw new ExitStatus(rejectedExitCode);
}

async function disconnect({ site, name, steps }: Run): Promise<void> {
  if (!isConnected(site.settings, name))
    return steps.tell([`This device is not connected to ${name}. Nothing was changed.`]);
  requireListInFile(site.settings);
  await disconnectCloud(site, name, steps);
}

async function testConnection({ site, name, steps }: Run): Promise<void> {
  const connection = await cloudConnection(site.settings, name);
  if (!isConnected(site.settings, name))
    throw new Failure(
      `This device is not connected to ${cloudTitle(connection)}.`,
      `Connect it: tedge connect ${commandLineOf(name)}`,
    );
  if (connection.kind === 'custom') await requireBridge(site, name);
  await checkConnection(site, connection, steps);
  steps.tell([`Connection check to ${name} cloud is successful.`]);
}

/** Scripts tell by the exit code what is wrong with a user-defined mapper. */
async function requireBridge(site: Site, name: string): Promise<void> {
  const bridge = await bridgeOf(site, name);
  if (bridge?.state === 'up' || bridge?.state === 'standby') return;
  if (bridge === undefined)
    throw new Failure(`The service mqtt-bridge does not run, or does not know ${name}.`, lookAtStatus, {
      exitCode: notRunningExitCode,
    });
  const fault = bridge.remote.fault ?? bridge.fault;
  throw new Failure(`The bridge is down to ${name}${fault === undefined ? '.' : `: ${fault}`}`, lookAtStatus, {
    exitCode: bridgeDownExitCode,
  });
}

const lookAtStatus = 'Look for the reason: sallyport status';
