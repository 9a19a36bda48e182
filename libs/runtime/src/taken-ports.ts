import {
  type ConfigKey,
  type Environment,
  isEntranceOffered,
  quoted,
  resolveConfigDirectory,
  type Settings,
} from '@sallyport/config';
import { Problem, type ServiceName } from '@sallyport/protocol';
import { type ListenerKeys, listenerKeys } from './listener-keys.js';
import { OtherPorts } from './other-ports.js';
import { type PortHolder, portHolder } from './port-holder.js';
import { HeldPorts, isAddressInUse } from './tcp-ports.js';

/** An address that we need and another program holds. */
export interface TakenPort {
  /** What the listener is for, in words. */
  readonly name: string;
  readonly portKey: ConfigKey;
  readonly host: string;
  readonly port: number;
  /** Who listens there, in words: `mosquitto (process 612)`. */
  readonly holder: string;
  /** Shell commands that choose a free port instead. */
  readonly remedies: readonly string[];
}

/** The start failed because other programs hold our ports. */
export class PortsTaken extends Problem {
  /** @param ports at least one */
  constructor(
    readonly ports: readonly TakenPort[],
    options: ErrorOptions,
  ) {
    const faults = ports.map(
      ({ host, port, portKey, holder }) => `cannot use ${host} port ${port} (${portKey}), where ${holder} listens`,
    );
    const remedies = ports.flatMap((port) => port.remedies).join('; ');
    super(
      'config-invalid',
      `Sallyport ${faults.join(', and ')}. Stop what listens there, or choose another port: ${remedies}`,
      options,
    );
  }
}

/** The environment and the working directory of the person who started us. */
export interface Surroundings {
  readonly env: Environment;
  readonly cwd: string;
}

/**
 * If a taken port was the reason for a failed start, names every taken port of the services. So a person can correct all of
 * them at once.
 *
 * @param error the start failed with
 * @param services of this process, in the order of their start; none of them listens any more
 * @returns `PortsTaken`, or the error itself when no port was to blame
 */
export async function explainFailedStart(
  error: unknown,
  settings: Settings,
  services: readonly ServiceName[],
  surroundings: Surroundings,
): Promise<unknown> {
  if (!isAddressInUse(error)) return error;
  const taken = await takenPorts(settings, services, surroundings);
  return taken.length === 0 ? error : new PortsTaken(taken, { cause: error });
}

/**
 * The ports of the services that other programs hold, each with commands that choose free ones.
 *
 * @param services none of them listens now
 */
export async function takenPorts(
  settings: Settings,
  services: readonly ServiceName[],
  surroundings: Surroundings,
): Promise<TakenPort[]> {
  const needed = [...services, undefined]
    .flatMap((name) => listenerKeys.filter(({ service }) => service === name))
    .filter(({ group }) => group === undefined || isEntranceOffered(settings, group))
    .filter(({ needs }) => needs.every((key) => settings.get(key) !== undefined));
  const others = new OtherPorts(settings, await commandName(settings, surroundings));
  const taken: TakenPort[] = [];
  for (const keys of await takenAmong(needed, settings)) taken.push(await describeTaken(keys, settings, others));
  return taken;
}

async function takenAmong(needed: readonly ListenerKeys[], settings: Settings): Promise<ListenerKeys[]> {
  const taken: ListenerKeys[] = [];
  // Hold each port until all are tried, because two of our own settings may name the same port.
  const held = new HeldPorts();
  for (const keys of needed) {
    const { host, port } = addressOf(keys, settings);
    if (port !== 0 && !(await held.take(host, port))) taken.push(keys);
  }
  await held.release();
  return taken;
}

async function describeTaken(keys: ListenerKeys, settings: Settings, others: OtherPorts): Promise<TakenPort> {
  const { name, portKey } = keys;
  const place = addressOf(keys, settings);
  const holder = holderInWords(await portHolder(place));
  return { name, portKey, ...place, holder, remedies: await others.remediesFor(keys, place) };
}

function addressOf({ addressKey, portKey }: ListenerKeys, settings: Settings): { host: string; port: number } {
  return { host: String(settings.get(addressKey) ?? '0.0.0.0'), port: Number(settings.get(portKey)) };
}

function holderInWords(holder: PortHolder | undefined): string {
  // Nobody holds it now. Two of our own settings name it, or the system does not show who held it.
  if (holder === undefined) return 'another program or another service of Sallyport';
  const { process, user } = holder;
  return process === undefined ? `a program of user ${user}` : `${process.program} (process ${process.pid})`;
}

/** The command that the person who started us uses for the CLI, with the same configuration directory. */
async function commandName({ directory }: Settings, { env, cwd }: Surroundings): Promise<string> {
  const { npm_lifecycle_event: npmScript } = env;
  const program = npmScript === undefined ? 'sallyport' : 'npx sallyport';
  const isFoundAlone = (await resolveConfigDirectory({ env, cwd })) === directory;
  return isFoundAlone ? program : `${program} --config-dir ${quoted(directory)}`;
}
