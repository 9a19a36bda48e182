import type { PublishView } from '@sallyport/mqtt-wire';
import type { RuleCounters } from './bridge-counters.js';
import type { BridgeRules, Direction } from './bridge-types.js';

/** What the rules say about one topic. */
export interface TopicRoute {
  /** As the source writes it. */
  readonly source: Buffer;
  /** As the destination gets it; undefined when no rule matches. */
  readonly target: Buffer | undefined;
  readonly counters: RuleCounters;
  readonly isBidirectional: boolean;
  /** The same for the same topic, whatever the rules are. */
  readonly hash: number;
}

const places = 4_096;
const longestRememberedBytes = 512;
const longestTopicBytes = 65_535;

/**
 * What the rules say about the topics of one direction. A topic is looked up by its bytes; only one that was not seen
 * for a while is decoded and given to the rules.
 */
export class TopicRoutes {
  private readonly routes: (TopicRoute | undefined)[] = Array.from({ length: places });
  private last: TopicRoute | undefined;

  constructor(
    private readonly direction: Direction,
    private readonly rules: BridgeRules,
    private readonly countersOf: (rule: string | undefined) => RuleCounters,
  ) {}

  /** @throws PacketError when the message has no topic name */
  routeOf(view: PublishView): TopicRoute {
    const { last } = this;
    if (last !== undefined && isTopic(last.source, view)) return last;
    const hash = hashOf(view);
    const known = this.routes[hash % places];
    const route = known !== undefined && isTopic(known.source, view) ? known : this.ask(view, hash);
    this.last = route;
    return route;
  }

  private ask(view: PublishView, hash: number): TopicRoute {
    const mapped = this.rules.map(this.direction, view.topic());
    const target = mapped === undefined ? undefined : Buffer.from(mapped.topic);
    // A prefix can make a topic too long for MQTT; then nobody can subscribe to it either.
    const isWritable = target !== undefined && target.length <= longestTopicBytes;
    const route: TopicRoute = {
      // A copy: the packet is part of a larger chunk, which must not live as long as the route.
      source: Buffer.from(view.bytes.subarray(view.topicStart, view.topicEnd)),
      target: isWritable ? target : undefined,
      counters: this.countersOf(isWritable ? mapped?.rule : undefined),
      isBidirectional: mapped?.isBidirectional ?? false,
      hash,
    };
    if (route.source.length <= longestRememberedBytes) this.routes[hash % places] = route;
    return route;
  }
}

function isTopic(source: Buffer, { bytes, topicStart, topicEnd }: PublishView): boolean {
  if (source.length !== topicEnd - topicStart) return false;
  // From the end, where the topics of one site differ.
  for (let at = source.length - 1; at >= 0; at -= 1) if (source[at] !== bytes[topicStart + at]) return false;
  return true;
}

/** FNV-1a, 32 bits. */
function hashOf({ bytes, topicStart, topicEnd }: PublishView): number {
  let hash = 0x811c9dc5;
  for (let at = topicStart; at < topicEnd; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}
