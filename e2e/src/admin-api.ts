import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { adminSocketPath, type ServiceName } from '@sallyport/protocol';

/** A schema of the protocol: it parses what came over the wire and returns a value, or throws. */
interface Schema<Value> {
  parse(input: unknown): Value;
}

/** The admin API of one service: HTTP on its Unix socket. */
export class AdminApi {
  constructor(
    private readonly configDirectory: string,
    private readonly service: ServiceName,
  ) {}

  get<Value>(path: string, answer: Schema<Value>): Promise<Value> {
    return this.ask({ method: 'GET', path }, answer);
  }

  post<Value>(path: string, body: unknown, answer: Schema<Value>): Promise<Value> {
    return this.ask({ method: 'POST', path, body: JSON.stringify(body) }, answer);
  }

  /** @throws Error with the answer, when its status is not 2xx */
  private async ask<Value>(
    { method, path, body }: { method: string; path: string; body?: string },
    answer: Schema<Value>,
  ): Promise<Value> {
    const socketPath = adminSocketPath(join(this.configDirectory, 'run'), this.service, process.cwd());
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const [status, content] = await new Promise<[number, string]>((resolve, reject) => {
      const outgoing = request({ socketPath, method, path, headers, agent: false });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        text(response).then((received) => resolve([response.statusCode ?? 0, received]), reject);
      });
      outgoing.end(body);
    });
    if (status >= 300) throw new Error(`${method} ${path} was answered with ${status}: ${content}`);
    return answer.parse(JSON.parse(content));
  }
}
