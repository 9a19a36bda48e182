import { ProviderUnavailable } from './outcomes.js';

/** Discovery documents and key sets have a few kilobytes. */
const largestBodyBytes = 262_144;

export interface BoundedAnswer {
  readonly status: number;
  readonly text: string;
}

export interface BoundedRequest extends RequestInit {
  /** For the whole exchange, the body included. */
  readonly deadlineMs: number;
}

/**
 * Asks a provider. It may answer so much, within so much time, and may not send us elsewhere.
 *
 * @throws ProviderUnavailable: it does not answer in time, or with too much
 */
export async function boundedRequest(address: string, request: BoundedRequest): Promise<BoundedAnswer> {
  const { deadlineMs, ...init } = request;
  try {
    const response = await fetch(address, { ...init, redirect: 'error', signal: AbortSignal.timeout(deadlineMs) });
    return { status: response.status, text: await textOf(response) };
  } catch (cause) {
    if (cause instanceof ProviderUnavailable) throw cause;
    throw new ProviderUnavailable(`${new URL(address).origin} does not answer`, { cause });
  }
}

async function textOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes)
      throw new ProviderUnavailable(`the answer of the provider is longer than ${largestBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
