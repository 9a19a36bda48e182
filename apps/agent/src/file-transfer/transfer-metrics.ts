import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServiceContext } from '@sallyport/runtime';
import { Counter } from 'prom-client';

const knownMethods = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);

/** Counts requests and the bytes of files. There are few label values, and a client never chooses them. */
export class TransferMetrics {
  private readonly requests: Counter<'method' | 'status'>;
  private readonly receivedBytes: Counter;
  private readonly sentBytes: Counter;

  constructor(registry: ServiceContext['metrics']) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'sallyport_file_transfer_requests_total',
      help: 'Requests, by method and class of status; "cut" where the connection ended before the answer did',
      labelNames: ['method', 'status'],
      registers,
    });
    this.receivedBytes = new Counter({
      name: 'sallyport_file_transfer_received_bytes_total',
      help: 'Bytes of uploads on their way to the disk, refused and broken ones included',
      registers,
    });
    this.sentBytes = new Counter({
      name: 'sallyport_file_transfer_sent_bytes_total',
      help: 'Bytes of files that downloads were sent',
      registers,
    });
  }

  /** Counts a request when its response has ended. */
  watch({ method = '' }: IncomingMessage, res: ServerResponse): void {
    res.once('close', () => {
      // A refusal counts as sent when it starts, even if the client leaves before it has sent the rest of a body.
      const isAnswered = res.writableFinished || (res.headersSent && res.statusCode >= 400);
      const status = isAnswered ? `${Math.floor(res.statusCode / 100)}xx` : 'cut';
      this.requests.inc({ method: knownMethods.has(method) ? method : 'other', status });
    });
  }

  received(bytes: number): void {
    this.receivedBytes.inc(bytes);
  }

  sent(bytes: number): void {
    this.sentBytes.inc(bytes);
  }
}
