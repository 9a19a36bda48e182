import { hasCode } from '@sallyport/files';
import { connectionProblem } from '@sallyport/identity';
import { ConnectionLost, ConnectionRefused } from '@sallyport/mqtt/session';
import { Problem, type ProblemType } from '@sallyport/protocol';
import type { BrokerPlace } from '@sallyport/runtime/mqtt-client';

const chosenBy = 'mqtt.client.host and mqtt.client.port';
// As MQTT.js waits for the CONNACK.
const timeoutMs = 10_000;

interface Refusal {
  readonly type: ProblemType;
  readonly text: string;
}

/** Return codes of CONNACK (MQTT 3.1.1 §3.2.2.3). */
const refusals: Readonly<Record<number, Refusal>> = {
  1: { type: 'conflict', text: 'it does not speak MQTT 3.1.1' },
  2: { type: 'conflict', text: 'it does not take this client id' },
  3: { type: 'unavailable', text: 'it cannot serve now. Try again later' },
  4: {
    type: 'credentials-invalid',
    text: 'user name or password is wrong. Check mqtt.client.auth.username and mqtt.client.auth.password_file',
  },
  5: {
    type: 'credentials-invalid',
    text: 'this client is not allowed. Its log says why, and so does "sallyport device show DEVICE" on the gateway',
  },
};

/** What went wrong between this client and the broker, and what to do about it. */
export function brokerProblem(fault: unknown, { url }: BrokerPlace): Problem {
  if (fault instanceof Problem) return fault;
  if (fault instanceof ConnectionRefused) return refusalOf(fault, url);
  if (fault instanceof ConnectionLost || hasCode(fault, 'ECONNRESET', 'EPIPE')) return closedBy(url, fault);
  const isTimeout = fault instanceof Error && fault.message === 'connack timeout';
  return connectionProblem(fault, { url: new URL(url), timeoutMs, chosenBy }, isTimeout);
}

/** The broker closed a connection that it had accepted. */
export function connectionEnded({ url }: BrokerPlace, when: string): Problem {
  return new Problem('unavailable', `The broker at ${url} closed the connection ${when}`);
}

/** True when trying again cannot help: somebody has to change something first. */
export function isLasting({ type }: Problem): boolean {
  return type !== 'unavailable';
}

function refusalOf(fault: ConnectionRefused, url: string): Problem {
  const { type, text } = refusals[fault.code] ?? { type: 'unavailable', text: `code ${fault.code}. Its log says why` };
  return new Problem(type, `The broker at ${url} refuses the connection: ${text}.`, { cause: fault });
}

/** Without a word: a listener for TLS does so to a client without TLS. So somebody is there: `isAnswered`. */
function closedBy(url: string, fault: unknown): Problem {
  const isPlain = url.startsWith('mqtt:');
  const hint = isPlain ? 'If that port is for TLS, set mqtt.client.auth.ca_file.' : 'Its log says why.';
  const text = `The broker at ${url} closed the connection before it answered. ${hint}`;
  return new Problem('unavailable', text, { cause: fault, extensions: { isAnswered: true } });
}
