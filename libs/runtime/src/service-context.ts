import type { Settings } from '@sallyport/config';
import type { Mqtt, RpcClient } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import type { Registry } from 'prom-client';
import type { Clock } from './clock.js';
import type { Readiness } from './health/readiness.js';
import type { Log } from './log.js';
import { SettingsInUse } from './settings-in-use.js';

export interface ServiceContextOptions {
  readonly name: ServiceName;
  readonly settings: Settings;
  readonly readSettings: () => Promise<Settings>;
  readonly log: Log;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What was read of the settings for this service already. */
  readonly settingsInUse?: SettingsInUse;
}

/** What every service gets. It is a class so that Nest can inject it. `ServiceNeeds` has what only some services need. */
export class ServiceContext {
  readonly name: ServiceName;
  readonly log: Log;
  /** The service's own Prometheus registry, shown at `/metrics`. */
  readonly metrics: Registry;
  readonly readiness: Readiness;
  readonly clock: Clock;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
  private currentSettings: Settings;
  private readonly settingsInUse: SettingsInUse;
  private readonly readSettings: () => Promise<Settings>;

  constructor(options: ServiceContextOptions) {
    this.name = options.name;
    this.log = options.log;
    this.metrics = options.metrics;
    this.readiness = options.readiness;
    this.clock = options.clock;
    this.signal = options.signal;
    this.settingsInUse = options.settingsInUse ?? new SettingsInUse();
    this.currentSettings = this.settingsInUse.follow(options.settings);
    this.readSettings = options.readSettings;
  }

  /** The settings as last read. */
  get settings(): Settings {
    return this.currentSettings;
  }

  /**
   * Reads the settings again from file and environment.
   *
   * @throws Problem `config-invalid`: the old settings stay in force.
   */
  async reloadSettings(): Promise<Settings> {
    this.currentSettings = this.settingsInUse.follow(await this.readSettings());
    return this.currentSettings;
  }

  /**
   * What a reload would read now. Nothing is put in force, and nothing counts as read.
   *
   * @throws Problem `config-invalid`
   */
  async previewSettings(): Promise<SettingsPreview> {
    const inUse = this.settingsInUse.copy();
    const settings = inUse.follow(await this.readSettings());
    return { settings, outdated: () => inUse.outdatedBy(settings) };
  }

  /** Names of settings that have changed since this service last read them. It must be restarted to use the new values. */
  get outdatedSettings(): string[] {
    return this.settingsInUse.outdatedBy(this.currentSettings);
  }
}

export interface SettingsPreview {
  readonly settings: Settings;
  /** What `outdatedSettings` would be, if what was read from these settings so far had been read in a reload. */
  readonly outdated: () => string[];
}

export interface ConnectedContextOptions extends ServiceContextOptions {
  readonly mqtt: Mqtt;
  readonly rpc: RpcClient;
}

/** The context of a service that needs both ways to the others, as every service with an entrance does. */
export class ConnectedContext extends ServiceContext {
  /** Events. */
  readonly mqtt: Mqtt;
  /** Requests to other services. */
  readonly rpc: RpcClient;

  constructor(options: ConnectedContextOptions) {
    super(options);
    this.mqtt = options.mqtt;
    this.rpc = options.rpc;
  }
}
