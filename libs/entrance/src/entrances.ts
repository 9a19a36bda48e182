import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { SerialQueue } from '@sallyport/concurrency';
import { offeredProfiles } from '@sallyport/config';
import { subscribeEvent } from '@sallyport/mqtt';
import {
  type ConfiguredGroup,
  type EntranceDescription,
  type EntranceEnrolRequest,
  type EntranceEnrolResponse,
  type EntranceGroup,
  entranceDefinition,
  Problem,
  trustBundleChanged,
} from '@sallyport/protocol';
import { ConnectedContext, watchClock } from '@sallyport/runtime';
import type { Peer } from '@sallyport/tls';
import { AdmissionClient } from './admission-client.js';
import { ContactReports } from './contact-reports.js';
import { type ApplyOptions, Entrance, type EntranceOptions } from './entrance.js';
import { requireOwnPlaces } from './entrance-settings.js';
import { configuredEntrance } from './security-source.js';
import { ServiceIdentity } from './service-identity.js';

type OptionsFor = (profile: string | undefined) => Pick<EntranceOptions, 'handler'> & Partial<EntranceOptions>;

/** Entrances of which there is one for each connection to a cloud. */
interface Family {
  readonly group: ConfiguredGroup;
  readonly optionsFor: OptionsFor;
  /** Those that have been opened. An entrance stays, closed, when its connection has gone, and opens again with it. */
  readonly profiles: Set<string | undefined>;
}

/** The entrances of one service, and the certificate it shows at them. */
@Injectable()
export class Entrances implements OnModuleInit, BeforeApplicationShutdown {
  private readonly opened: Entrance[] = [];
  private readonly families: Family[] = [];
  /** Contacts that the registry has not seen, because it was not asked about them. */
  readonly contacts: ContactReports;
  private readonly admission: AdmissionClient;
  private readonly identity: ServiceIdentity;
  // In order: settings that were read earlier must not be applied later.
  private readonly reloads = new SerialQueue();

  constructor(private readonly context: ConnectedContext) {
    this.contacts = new ContactReports(context);
    this.admission = new AdmissionClient(context, {
      onChange: (change) => {
        for (const entrance of this.opened) entrance.follow(change);
      },
      contacts: this.contacts,
    });
    this.identity = new ServiceIdentity(context, () => this.reload());
  }

  async onModuleInit(): Promise<void> {
    await this.admission.start();
    this.contacts.start();
    const { mqtt } = this.context;
    const keepUp = async () => this.identity.keepUp();
    // Not durable: after a reconnect, as at the start, the signer is asked.
    await subscribeEvent(mqtt, trustBundleChanged, keepUp, { isDurable: false, onInvalid: keepUp });
    mqtt.onReconnect(keepUp);
    await this.identity.start();
    const { clock, log, signal } = this.context;
    const onJump = (seconds: number) => {
      log.info({ seconds }, 'the clock was set or the machine slept; certificates are judged again');
      this.identity.judgeAgain();
    };
    watchClock({ clock, signal, onJump });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.identity.stop();
    await Promise.all(this.opened.map((entrance) => entrance.close()));
    await this.contacts.stop();
  }

  /**
   * Opens an entrance and keeps it in step with registry and trust bundle until the service stops.
   *
   * @throws Problem `config-invalid`: as `Entrance.open` says; no entrance is left behind.
   */
  async open(options: EntranceOptions): Promise<Entrance> {
    const entrance = new Entrance(this.context, this.admission, options);
    // Before it is open, so that changes meanwhile reach it too.
    this.opened.push(entrance);
    try {
      await entrance.open();
    } catch (error) {
      this.opened.splice(this.opened.indexOf(entrance), 1);
      throw error;
    }
    return entrance;
  }

  /**
   * Opens an entrance whose level the settings decide.
   *
   * @param options the handler, and what the table of entrances does not say
   * @throws Problem as `open`
   */
  openConfigured(
    group: ConfiguredGroup,
    options: Pick<EntranceOptions, 'handler'> & Partial<EntranceOptions>,
  ): Promise<Entrance> {
    return this.open({ ...configuredEntrance(this.context, { group }), ...options });
  }

  /**
   * Opens an entrance for each connection to a cloud that the settings name. At each reload the entrances of new
   * connections open, and those of connections that are gone close.
   *
   * @param group a row of the table with a `cloud`
   * @param optionsFor the handler for the connection with this profile, or for the one outside of profiles
   * @throws Problem `config-invalid`: as `open`, or two of them have the same place
   */
  async openForConnections(group: ConfiguredGroup, optionsFor: OptionsFor): Promise<void> {
    this.families.push({ group, optionsFor, profiles: new Set() });
    await this.openNew();
  }

  private async openNew(): Promise<void> {
    for (const family of this.families) {
      const profiles = offeredProfiles(this.context.settings, family.group);
      requireOwnPlaces(this.context.settings, family.group, profiles);
      for (const profile of profiles) {
        if (family.profiles.has(profile)) continue;
        await this.open({
          ...configuredEntrance(this.context, { group: family.group, profile }),
          ...family.optionsFor(profile),
        });
        family.profiles.add(profile);
      }
    }
  }

  /**
   * The rules of the registry have changed: forgets what it has answered, and asks again about open sessions.
   *
   * @param isSpared whose sessions go on without being asked about
   */
  recheck(isSpared: (peer: Peer) => boolean): void {
    this.admission.forgetAll();
    for (const entrance of this.opened) entrance.recheck((peer) => !isSpared(peer));
  }

  /** Those that have a security level: not what is plain by design, nor what the settings do not ask for. */
  describe(): EntranceDescription[] {
    return this.opened.flatMap((entrance) =>
      entranceDefinition(entrance.group).isAlwaysPlain === true ? [] : (entrance.describe() ?? []),
    );
  }

  /**
   * Reads the settings again and puts them in force at every entrance. What has changed and needs a restart is in the
   * log.
   *
   * @param options.lowerTo the level an administrator has lowered the entrances to on purpose.
   * @throws Problem `config-invalid`: the entrances named in the text are as they were. The others are reloaded.
   */
  reload(options: ApplyOptions = {}): Promise<EntranceDescription[]> {
    return this.reloads.run(async () => {
      await this.context.reloadSettings();
      const faults: unknown[] = [];
      const noteFault = (fault: unknown) => void faults.push(fault);
      // First those that close: a new one may need their port.
      for (const entrance of this.opened) await entrance.apply(options).catch(noteFault);
      await this.openNew().catch(noteFault);
      this.tellOutdated();
      if (faults.length > 0) throw together(faults);
      return this.describe();
    });
  }

  /** An administrator is about to connect to each entrance as a stranger, this many times. */
  expectProbes(count: number): void {
    for (const entrance of this.opened) entrance.expectProbes(count);
  }

  /**
   * Makes a key and gets a certificate for it. Nothing uses them until the settings name them.
   *
   * @throws Problem `not-found`: this service has no such entrance.
   */
  async enrol(request: EntranceEnrolRequest): Promise<EntranceEnrolResponse> {
    this.requireGroup(request.group);
    return this.identity.enrol(request);
  }

  /** Settings that a reload does not take over: the service has to be started again. */
  get outdatedSettings(): string[] {
    return this.context.outdatedSettings;
  }

  private tellOutdated(): void {
    const { outdatedSettings: keys, context } = this;
    if (keys.length === 0) return;
    context.log.warn({ keys, remedy: `restart ${context.name}` }, 'settings changed that need a restart');
  }

  private requireGroup(group: EntranceGroup): void {
    const groups = this.describe().map((entrance) => entrance.group);
    if (groups.includes(group)) return;
    const known = groups.join(', ') || 'none';
    throw new Problem('not-found', `Service ${this.context.name} has no entrance "${group}"; it has: ${known}.`);
  }
}

/** One fault as it is; several as one that tells all of them, for what is no `Problem` in no words of its own. */
function together(faults: readonly unknown[]): unknown {
  const [first] = faults;
  if (faults.length === 1) return first;
  const cause = new AggregateError(faults, 'several entrances could not be reloaded');
  const problems = faults.filter((fault) => fault instanceof Problem);
  if (problems.length < faults.length) return cause;
  return new Problem('config-invalid', problems.map(({ message }) => message).join('\n'), { cause });
}
