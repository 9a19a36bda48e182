import { nameOf } from '@sallyport/config';
import {
  type EntranceDescription,
  isMutualOnly,
  refusals,
  registryRoutes,
  type SecurityLevel,
} from '@sallyport/protocol';
import { describeFault, Failure } from '../failure.js';
import { announceProbes } from '../site/announced-probes.js';
import { type SecuredGroup, stepName } from '../site/secured-group.js';
import type { Site } from '../site/site.js';
import { AbsentEntrances } from './absent-entrances.js';
import { settingsFor } from './level-settings.js';
import { type NamedClient, nothingPrepared, type Preparation, prepare } from './preparation.js';
import { prove } from './prove.js';
import {
  closeWithdrawn,
  findEntrances,
  findWithdrawn,
  type RunningEntrance,
  reloadEntrance,
  type WithdrawnEntrance,
} from './running-entrances.js';
import { SettingsChange } from './settings-change.js';
import type { StepLog } from './step-log.js';

/**
 * Takes every listener of a site to a security level: certificates, settings, reload, proof from outside. Whatever fails
 * after the first change, Ctrl-C included, takes everything back to what it was. Running it again does no harm.
 */
export class LevelSwitch {
  constructor(
    private readonly site: Site,
    private readonly level: SecurityLevel,
    private readonly steps: StepLog,
  ) {}

  /** @throws Failure: which step failed and why; the site is as it was */
  async run(): Promise<void> {
    const { site, level, steps } = this;
    const { running, absent } = await steps.run('find the listeners', () => findEntrances(site, level));
    await this.closeWithdrawn();
    for (const secured of absent) steps.note(`find ${secured.service}`, 'skipped', absence(secured));
    refuseOverriddenSettings(site, running);
    const preparation = level === 'plain' ? nothingPrepared : await prepare(site, running, { level, steps });
    const change = new SettingsChange(site.settingsFile, settingsFor(level, site, preparation.certificates));
    const absentEntrances = new AbsentEntrances(site, level === 'plain' ? absent : []);
    try {
      await absentEntrances.lowerTo(level);
      await steps.run(
        'write the settings',
        () => change.apply(),
        (count) => (count === 0 ? 'nothing to change' : `${count} changed`),
      );
      for (const entrance of running) await this.switchEntrance(entrance, preparation);
    } catch (fault) {
      await this.takeBack({ change, absentEntrances, running }, fault);
      throw fault;
    }
  }

  /** They close for good, whatever comes of the switch: the settings said so before it. */
  private async closeWithdrawn(): Promise<void> {
    for (const entrance of await findWithdrawn(this.site))
      await this.steps.run(
        `close ${this.nameOf(entrance)}`,
        () => closeWithdrawn(entrance),
        () => withdrawal(entrance, this.site),
      );
  }

  private async switchEntrance(entrance: RunningEntrance, { certificates, clients }: Preparation): Promise<void> {
    const { protocol } = entrance.secured;
    const name = this.nameOf(entrance);
    const description = await this.steps.run(`reload ${name}`, () => this.reload(entrance));
    const client = clients.get(entrance);
    const proof = {
      protocol,
      entrance: description,
      level: this.level,
      trust: certificates.get(entrance)?.trust,
      client,
    };
    await this.steps.run(
      `prove ${name}`,
      async () => {
        await announceProbes(entrance.client);
        return await prove(proof).catch((fault: unknown) => this.explain(fault, client));
      },
      (seen) => seen,
    );
  }

  private nameOf({ secured, description }: WithdrawnEntrance & Partial<RunningEntrance>): string {
    return stepName(secured, this.site.settings, description?.profile);
  }

  private async reload(entrance: RunningEntrance): Promise<EntranceDescription> {
    const description = await reloadEntrance(entrance, this.level);
    const { secured } = entrance;
    const isRight = description.isOpen
      ? description.level === this.level
      : isMutualOnly(secured) && this.level !== 'mutual';
    if (isRight) return description;
    if (description.profile !== undefined) throw ownSettings(secured, description.profile);
    throw new Failure(
      `The listener of ${secured.service} is ${description.isOpen ? `at level ${description.level}` : 'closed'} instead of at level ${this.level}.`,
      'Look for the reason in the log of the service.',
    );
  }

  /** A refused client sees a closed connection and no more; the registry knows the reason. */
  private async explain(fault: unknown, client: NamedClient | undefined): Promise<never> {
    const reason = client === undefined ? undefined : await this.refusalOf(client);
    if (client === undefined || reason === undefined) throw fault;
    const { meaning, remedy } = refusals[reason];
    const what = `${client.name} was refused (${reason}). ${meaning}`;
    throw new Failure(what, remedy.replaceAll('DEVICE', client.name), { cause: fault });
  }

  private async refusalOf({ name }: NamedClient) {
    const registry = await this.site.client('device-registry');
    const device = await registry.call(registryRoutes.showDevice, { params: { id: name } }).catch(() => undefined);
    const [latest] = device?.refusals ?? [];
    const isRecent = latest !== undefined && this.site.context.now().getTime() - Date.parse(latest.at) < recentMs;
    return isRecent ? latest.reason : undefined;
  }

  private async takeBack({ change, absentEntrances, running }: Changed, reason: unknown): Promise<void> {
    const faults: string[] = [];
    const attempt = async (step: string, work: () => Promise<void>) =>
      work().catch((fault: unknown) => {
        const what = describeFault(fault)?.what ?? String(fault);
        this.steps.note(step, 'failed', what);
        faults.push(what);
      });
    await attempt('put the former settings back', () => change.takeBack());
    await attempt('put the former levels back', () => absentEntrances.takeBack());
    // With the new settings still in the file, a reload would be no way back.
    if (faults.length === 0) {
      this.steps.note('put the former settings back', 'taken back');
      for (const entrance of running)
        await attempt(`take back ${this.nameOf(entrance)}`, () => this.takeEntranceBack(entrance));
    }
    if (faults.length === 0) return;
    throw new Failure(
      `${describeFault(reason)?.what ?? String(reason)} Taking it back failed too: ${faults.join(' ')}`,
      'Restart the services; the settings file (sallyport config list) says which level they will have.',
      { cause: reason },
    );
  }

  private async takeEntranceBack(entrance: RunningEntrance): Promise<void> {
    const { secured, client, description } = entrance;
    // An entrance that was open is meant to be as it was. One that was shut for want of its settings stays shut without them.
    const lowerTo = description.isOpen ? description.level : isMutualOnly(secured) ? 'plain' : undefined;
    const { level, isOpen } = await reloadEntrance({ ...entrance, client: client.uninterrupted() }, lowerTo);
    if (level !== description.level || isOpen !== description.isOpen)
      throw new Failure(`The listener of ${secured.service} is at level ${level} instead of ${description.level}.`, '');
    this.steps.note(`reload ${this.nameOf(entrance)}`, 'taken back', isOpen ? `level ${level} again` : 'closed again');
  }
}

/** A profile without such settings follows those outside of profiles, which this command sets. */
function ownSettings({ keys }: SecuredGroup, profile: string): Failure {
  const commands = Object.values(keys).map((key) => `sallyport config unset ${nameOf({ key, profile })}`);
  return new Failure(
    `The profile ${profile} has certificate settings of its own, which this command does not change.`,
    `Unset them, so that it follows the others: ${commands.join(' && ')}`,
  );
}

/** What a switch changes, to be put back when it fails. */
interface Changed {
  readonly change: SettingsChange;
  readonly absentEntrances: AbsentEntrances;
  readonly running: readonly RunningEntrance[];
}

/** Which setting shuts it. */
function withdrawal({ secured: { group, enabledKey, cloud } }: WithdrawnEntrance, { settings }: Site): string {
  if (cloud !== undefined) return `cloud.connections does not name ${cloud}`;
  const hasPort = settings.get(`${group}.bind.port`) !== undefined;
  return hasPort && enabledKey !== undefined ? `${enabledKey} is false` : `${group}.bind.port is not set`;
}

function absence({ isReplaceable }: SecuredGroup): string {
  return isReplaceable === true ? 'not part of this site' : 'does not run; it has the level from its next start on';
}

/** What the environment sets, writing the settings file would not change. */
function refuseOverriddenSettings({ settings }: Site, running: readonly RunningEntrance[]): void {
  const keys = running.flatMap(({ secured }) => Object.values(secured.keys));
  const overridden = keys.filter((key) => settings.source(key) === 'env');
  if (overridden.length > 0)
    throw new Failure(
      `The environment sets ${overridden.join(', ')}, and beats what this command would write.`,
      'Unset the TEDGE_ variables of these settings, for the services too, and run the command again.',
    );
}

// A refusal older than a proof takes has another cause.
const recentMs = 60_000;
