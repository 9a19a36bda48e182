import { type CloudConnection, CloudDialError, cloudConnection, explainCloudFault } from '@sallyport/cloud';
import {
  type C8yProxyRule,
  followRulesFile,
  nameOf,
  parseC8yProxyRules,
  type RulesFile,
  readRulesFile,
  type Settings,
} from '@sallyport/config';
import { MqttAccess, Problem } from '@sallyport/protocol';
import { type ConnectedContext, FaultLog, InnerFaultLog, type MqttSessions } from '@sallyport/runtime';
import { type Connection, networkOf } from '@sallyport/tls';
import { ProxyAccess } from './access/proxy-access.js';
import { type Client, type ClientContext, serveClient } from './client-connection.js';
import { ClientPlaces } from './client-places.js';
import { GatewayFault } from './forwarding/gateway-fault.js';
import type { ReplayRoom } from './forwarding/replay-room.js';
import type { Tenant } from './forwarding/tenant.js';
import { openTenant } from './open-tenant.js';
import type { ProxyMetrics } from './proxy-metrics.js';

export interface TenantProxyOptions {
  readonly context: ConnectedContext;
  readonly sessions: MqttSessions;
  /** Of the connection in the settings; undefined outside of profiles. */
  readonly profile: string | undefined;
  readonly metrics: ProxyMetrics;
  readonly room: ReplayRoom;
}

/** What the settings said when they were last read. */
interface InForce {
  readonly connection: CloudConnection | Problem;
  readonly responseMs: number;
  readonly rulesFile: RulesFile<C8yProxyRule> | undefined;
  readonly rules: readonly C8yProxyRule[] | undefined;
  readonly gatewayId: string | undefined;
  readonly allowedHosts: readonly string[];
}

/** The proxy to one tenant: who may use it, and how it is reached. A reload changes both under open connections. */
export class TenantProxy {
  /** As in `cloud.connections`. */
  readonly name: string;
  private readonly clientContext: ClientContext;
  private readonly faults: FaultLog;
  private parties = new MqttAccess();
  private access = new ProxyAccess([]);
  private allowedHosts: readonly string[] = [];
  private tenant: Tenant | Problem = new Problem('unavailable', 'The settings have not been read yet.');
  /** The one of `tenant`. */
  private connection: CloudConnection | undefined;
  private fingerprint = '';
  private stopFollowing: () => void = nothing;

  constructor(private readonly options: TenantProxyOptions) {
    const { context, profile, metrics, room } = options;
    this.name = profile === undefined ? 'c8y' : `c8y@${profile}`;
    this.faults = new FaultLog(context.log, context.clock, 'the cloud gave no answer', { connection: this.name });
    this.clientContext = {
      name: this.name,
      tenant: () => this.requireTenant(),
      access: () => this.access,
      allowedHosts: () => this.allowedHosts,
      places: new ClientPlaces(),
      room,
      metrics,
      innerFaults: new InnerFaultLog(context.log, context.clock, 'a request failed inside the proxy', {
        connection: this.name,
      }),
      noteFault: (fault) => void this.note(fault),
    };
  }

  serve(connection: Connection): void {
    serveClient(connection, this.clientOf(connection), this.clientContext);
  }

  /**
   * Reads what the settings say now.
   *
   * @returns puts it in force
   * @throws Problem `config-invalid`: the rules of the site are wrong; with file and line
   */
  async read(): Promise<() => void> {
    const { context, profile } = this.options;
    const all = context.settings;
    const settings = all.ofProfile(profile);
    const rulesFile = rulesFileOf(settings, profile);
    const next: InForce = {
      connection: await this.connectionIn(all),
      responseMs: settings.require('c8y.proxy.response_timeout') * 1_000,
      rulesFile,
      rules: rulesFile === undefined ? undefined : await readRulesFile(rulesFile),
      gatewayId: all.get('device.id'),
      allowedHosts: settings.get('c8y.proxy.allowed_hosts'),
    };
    return () => this.putInForce(next);
  }

  close(): void {
    this.stopFollowing();
    this.closeTenant();
  }

  /** Settings that no connection can be made of are told to each client. The service runs, for the other connections. */
  private async connectionIn(settings: Settings): Promise<CloudConnection | Problem> {
    try {
      return await cloudConnection(settings, this.name);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.options.context.log.error(
        { connection: this.name, reason: error.message },
        'the cloud cannot be reached so',
      );
      return error;
    }
  }

  private putInForce({ connection, responseMs, rulesFile, rules, gatewayId, allowedHosts }: InForce): void {
    this.allowedHosts = allowedHosts;
    this.parties = new MqttAccess({ gatewayId });
    this.access = new ProxyAccess(rules);
    this.follow(rulesFile);
    // Files are read at each dial. So the connections to the cloud stay while the settings do.
    const fingerprint = connection instanceof Problem ? '' : JSON.stringify([connection, responseMs]);
    if (fingerprint !== '' && fingerprint === this.fingerprint) return;
    this.fingerprint = fingerprint;
    this.closeTenant();
    this.connection = connection instanceof Problem ? undefined : connection;
    this.tenant = connection instanceof Problem ? connection : this.open(connection, responseMs);
  }

  private open(connection: CloudConnection, responseMs: number): Tenant {
    const { context, sessions, metrics } = this.options;
    return openTenant(connection, {
      sessions,
      nowMs: () => context.clock.now().getTime(),
      responseMs,
      onFetched: (fault) => {
        metrics.authorizationFetched(this.name, fault === undefined);
        if (fault !== undefined) this.faults.note(fault);
      },
    });
  }

  private closeTenant(): void {
    if (!(this.tenant instanceof Problem)) this.tenant.pool.close();
  }

  private follow(file: RulesFile<C8yProxyRule> | undefined): void {
    this.stopFollowing();
    const { log } = this.options.context;
    const connection = this.name;
    if (file === undefined) this.stopFollowing = nothing;
    else
      this.stopFollowing = followRulesFile(file, {
        onRules: (rules) => {
          this.access = new ProxyAccess(rules);
          log.info({ connection, rules: rules.length }, 'the rules of the site for the Cumulocity proxy have changed');
        },
        onFault: ({ message }) =>
          log.error(
            { connection, reason: message },
            'the rules of the site for the Cumulocity proxy cannot be used, those from before stay',
          ),
      });
  }

  /** A failed connection is told in the words of `connect`, with what to do. */
  private async note(fault: GatewayFault): Promise<void> {
    const { connection } = this;
    const isOfDial = fault.cause instanceof CloudDialError || fault.cause instanceof Problem;
    if (connection === undefined || !isOfDial) {
      this.faults.note(fault);
      return;
    }
    const { what, advice } = await explainCloudFault(fault.cause, connection);
    this.faults.note(`${what} ${advice}`);
  }

  private requireTenant(): Tenant {
    if (!(this.tenant instanceof Problem)) return this.tenant;
    throw new GatewayFault('connection-not-usable', this.tenant.message);
  }

  private clientOf({ peer, remoteAddress }: Connection): Client {
    const key = peer === undefined ? `network ${networkOf(remoteAddress)}` : `${peer.kind} ${peer.deviceId}`;
    return { party: this.parties.partyOf(peer), key };
  }
}

function rulesFileOf(settings: Settings, profile: string | undefined): RulesFile<C8yProxyRule> | undefined {
  const path = settings.get('c8y.proxy.rules_path');
  if (path === undefined) return undefined;
  const key = nameOf({ key: 'c8y.proxy.rules_path', ...(profile === undefined ? {} : { profile }) });
  return { key, path, parse: parseC8yProxyRules };
}

function nothing(): void {}
