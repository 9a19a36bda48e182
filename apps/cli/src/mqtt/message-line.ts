import { isUtf8 } from 'node:buffer';
import type { MqttMessage } from '@sallyport/mqtt/session';

export interface LineOptions {
  readonly json: boolean;
  /** Whether the topic is shown. */
  readonly topic: boolean;
  /** Whether the payload is shown in base64, whatever it holds. */
  readonly base64: boolean;
  readonly isTerminal: boolean;
}

/** A message as thin-edge.io prints it: `[topic] payload`. With `json`, an object in one line. */
export function messageLine(message: MqttMessage, { json, topic, base64, isTerminal }: LineOptions): string {
  if (json) return `${JSON.stringify(asObject(message))}\n`;
  const payload = base64 ? message.payload.toString('base64') : textOf(message.payload);
  const line = topic ? `[${message.topic}] ${payload}` : payload;
  // A program gets every byte. On a terminal, a message must not move the cursor or change the title.
  return `${isTerminal ? line.replace(/[^\P{Cc}\n\t]/gu, ' ') : line}\n`;
}

function textOf(payload: Buffer): string {
  // Programs in C may send the NUL at the end of their string.
  const text = payload.at(-1) === 0 ? payload.subarray(0, -1) : payload;
  return isUtf8(text) ? text.toString() : `<ERR=NON-UTF8> ${payload.toString('base64')}`;
}

function asObject({ topic, payload, qos, isRetained }: MqttMessage) {
  const content = isUtf8(payload) ? { payload: payload.toString() } : { payloadBase64: payload.toString('base64') };
  return { topic, ...content, qos, retained: isRetained };
}
