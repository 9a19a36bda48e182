import type { Settings } from '@sallyport/config';
import { readDefaultTopicId, topicId } from '@sallyport/protocol';

/** What a bridge is called in the topics of thin-edge.io. */
export interface BridgeTopics {
  /** Name of the service, and the client id at the local broker: `tedge-mapper-bridge-c8y`. */
  readonly service: string;
  readonly registration: string;
  /** Health as JSON: `{"status":"up"}`. */
  readonly health: string;
  /** The same as the bridge of Mosquitto says it: `1` or `0`. */
  readonly mosquittoHealth: string;
  readonly healthChecks: readonly string[];
  /** Messages that the other side refuses for good. */
  readonly deadLetterPrefix: string;
  /** The topic id of the device. */
  readonly device: string;
}

/** @param topicPrefix of the cloud: `c8y` */
export function bridgeTopics(settings: Settings, topicPrefix: string): BridgeTopics {
  const root = settings.require('mqtt.topic_root');
  const device = topicId.parse(settings.require('mqtt.device_topic_id'));
  const services = `${root}/device/${readDefaultTopicId(device)?.device ?? 'main'}/service`;
  const service = `tedge-mapper-bridge-${topicPrefix}`;
  const own = `${services}/${service}`;
  return {
    service,
    device,
    registration: own,
    health: `${own}/status/health`,
    mosquittoHealth: `${services}/mosquitto-${topicPrefix}-bridge/status/health`,
    healthChecks: [`${own}/cmd/health/check`, `${root}/${device}/cmd/health/check`],
    deadLetterPrefix: `${own}/dead-letter/`,
  };
}
