import type { RuleSet } from '@sallyport/bridge-rules';
import type { CloudConnection, CloudSettingNames } from '@sallyport/cloud';
import type { BridgeLimits } from '../plane/bridge-types.js';

/** A message that a bridge says in its own name. */
export interface PlannedMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** What CONNECT says to one of the brokers, but for user name and password, which are read at each connection. */
export interface PlannedTerms {
  readonly version: 4 | 5;
  readonly clientId: string;
  readonly isClean: boolean;
  readonly keepAliveSeconds: number;
  /** The broker publishes it when the bridge goes. */
  readonly will?: PlannedMessage;
  /** Said each time the bridge is connected. */
  readonly greeting?: PlannedMessage;
}

/** What is known about the cloud, without the functions. */
export type CloudFacts = Omit<CloudConnection, 'commandToSet' | 'credentials'> & {
  /** The commands of `commandToSet`, with `VALUE` where the value is to be. */
  readonly commands: Readonly<Record<keyof CloudSettingNames, string>>;
};

/** Everything that makes one bridge what it is. It is plain data, so that it can go to another thread. */
export interface BridgePlan {
  /** As in `cloud.connections`. */
  readonly name: string;
  /** The service of thin-edge.io it stands for, and its local client id: `tedge-mapper-bridge-c8y`. */
  readonly service: string;
  readonly cloud: CloudFacts;
  readonly rules: RuleSet;
  readonly local: PlannedTerms;
  readonly remote: PlannedTerms;
  readonly deadLetterPrefix: string;
  readonly limits: Partial<BridgeLimits>;
}
