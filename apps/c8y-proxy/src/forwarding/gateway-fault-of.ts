import { CloudDialError } from '@sallyport/cloud';
import { UpstreamError, type UpstreamErrorCode } from '@sallyport/http-wire';
import { GatewayFault, type GatewayReason } from './gateway-fault.js';

interface Meaning {
  readonly reason: GatewayReason;
  readonly text: string;
  readonly status?: 502 | 503 | 504;
}

const busy: Meaning = {
  reason: 'proxy-busy',
  text: 'Too many requests are on their way to the cloud. Send the request again later.',
  status: 503,
};

const meanings: Readonly<Record<Exclude<UpstreamErrorCode, 'connect-failed' | 'request-aborted'>, Meaning>> = {
  'connect-timeout': { reason: 'connect-timeout', text: 'The cloud did not take a connection in time.', status: 504 },
  'pool-full': busy,
  'pool-timeout': busy,
  'pool-closed': { ...busy, text: 'The proxy stops or has new settings. Send the request again.' },
  'head-timeout': {
    reason: 'response-timeout',
    text: 'The cloud did not begin its answer in time. The setting c8y.proxy.response_timeout says how long that may take.',
    status: 504,
  },
  'send-timeout': { reason: 'send-timeout', text: 'The cloud took no more of the request.', status: 504 },
  'body-timeout': { reason: 'response-timeout', text: 'The cloud sent no more of its answer.', status: 504 },
  'connection-lost': { reason: 'connection-lost', text: 'The cloud ended the connection without an answer.' },
  'response-incomplete': { reason: 'connection-lost', text: 'The cloud ended the connection inside its answer.' },
  'response-malformed': { reason: 'response-invalid', text: 'The answer of the cloud is not valid HTTP/1.1.' },
  'response-too-large': { reason: 'response-too-large', text: 'The head of the answer of the cloud is too large.' },
};

/** What the client is told of a fault; undefined when the client caused it and waits for nothing, or when it is ours. */
export function gatewayFaultOf(fault: unknown): GatewayFault | undefined {
  if (fault instanceof GatewayFault) return fault;
  if (!(fault instanceof UpstreamError) || fault.code === 'request-aborted') return undefined;
  if (fault.code === 'connect-failed') return dialFault(fault);
  const { reason, text, status = 502 } = meanings[fault.code];
  return new GatewayFault(reason, text, { status, cause: fault });
}

function dialFault({ cause }: UpstreamError): GatewayFault {
  if (!(cause instanceof CloudDialError))
    return new GatewayFault(
      'connection-not-usable',
      'The files of this device for the cloud cannot be used. Try: sallyport connect c8y --test',
      { cause },
    );
  if (cause.isTimeout)
    return new GatewayFault('connect-timeout', 'The cloud did not take a connection in time.', { status: 504, cause });
  return cause.stage === 'handshake'
    ? new GatewayFault(
        'cloud-refused-tls',
        'There is no secure connection to the cloud: one side does not accept the certificate of the other. Try: sallyport connect c8y --test',
        { cause },
      )
    : new GatewayFault('cloud-unreachable', 'The cloud cannot be reached. Try: sallyport connect c8y --test', {
        cause,
      });
}
