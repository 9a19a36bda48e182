import { readRuleSet, ruleSourceOf } from '@sallyport/bridge-rules';
import { type CloudConnection, cloudConnection } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import type { BridgeLimits } from '../plane/bridge-types.js';
import type { BridgePlan, CloudFacts } from './bridge-plan.js';
import { bridgeTopics } from './bridge-topics.js';
import { cloudTerms } from './cloud-terms.js';

/** Of the half to the local broker, in seconds. */
const localKeepAliveSeconds = 60;

/** A plan, and what is left of its connection for this thread alone. */
export interface PlannedBridge {
  readonly plan: BridgePlan;
  readonly connection: CloudConnection;
}

/**
 * Makes the plan of a bridge from settings and rules, as they are now. It connects to nothing and writes nothing.
 *
 * @param name as in `cloud.connections`
 * @throws Problem `config-invalid`, `not-found`, `invalid-request`: as `cloudConnection` and `readRuleSet` say
 */
export async function planBridge(given: Settings, name: string): Promise<PlannedBridge> {
  const connection = await cloudConnection(given, name);
  const settings = given.ofProfile(connection.profile);
  const topics = bridgeTopics(settings, connection.topicPrefix);
  const { service, health, deadLetterPrefix } = topics;
  const plan: BridgePlan = {
    name: connection.name,
    service,
    cloud: factsOf(connection),
    rules: await readRuleSet(await ruleSourceOf(given, connection)),
    local: {
      version: 5,
      clientId: service,
      isClean: false,
      keepAliveSeconds: localKeepAliveSeconds,
      will: { topic: health, payload: healthText(false), retain: true },
    },
    remote: cloudTerms(connection, {
      service,
      serviceType: settings.require('service.type'),
      version: settings.require('mqtt.bridge.cloud_version') === '5' ? 5 : 4,
    }),
    deadLetterPrefix,
    limits: limitsOf(settings, connection),
  };
  return { plan, connection };
}

/** How thin-edge.io says the health of its bridge. */
export function healthText(isUp: boolean): string {
  return JSON.stringify({ status: isUp ? 'up' : 'down' });
}

function factsOf({ commandToSet, credentials: _credentials, ...facts }: CloudConnection): CloudFacts {
  const command = (name: keyof CloudConnection['settingNames']) => commandToSet(name, 'VALUE');
  return {
    ...facts,
    commands: {
      url: command('url'),
      mqttHost: command('mqttHost'),
      httpHost: command('httpHost'),
      rootCertPath: command('rootCertPath'),
      certPath: command('certPath'),
      keyPath: command('keyPath'),
      deviceId: command('deviceId'),
      credentialsPath: command('credentialsPath'),
      authMethod: command('authMethod'),
    },
  };
}

// All services of a process together may take 10 s to stop.
const drainMs = 3_000;
// thin-edge.io permits 0. Then a cloud that refuses this device would be asked without a pause.
const leastPauseMs = 100;

function limitsOf(settings: Settings, { kind }: CloudConnection): Partial<BridgeLimits> {
  const firstMs = Math.max(leastPauseMs, settings.require('mqtt.bridge.reconnect_policy.initial_interval') * 1000);
  const longestMs = settings.require('mqtt.bridge.reconnect_policy.maximum_interval') * 1000;
  return {
    backOff: { firstMs, longestMs: Math.max(firstMs, longestMs) },
    resetWindowMs: settings.require('mqtt.bridge.reconnect_policy.reset_window') * 1000,
    drainMs,
    windowMessages: settings.require('mqtt.bridge.window'),
    oldestUnacknowledgedMs: settings.require('mqtt.bridge.stall_timeout') * 1000,
    // The clouds know a device by its client id, and admit no second one.
    ...(kind === 'custom' ? { egressConnections: settings.require('mqtt.bridge.cloud_sessions') } : {}),
  };
}
