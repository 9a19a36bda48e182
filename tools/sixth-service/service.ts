import { type DynamicModule, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EntranceModule, Entrances } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import type { Connection } from '@sallyport/tls';

// RFC 8323 §5.3: the first message of either side, an empty CSM.
const csm = Buffer.from('00e1', 'hex');

/** Sends a greeting over HTTP and over a stream. */
@Injectable()
class GreeterEntrances implements OnApplicationBootstrap {
  constructor(private readonly entrances: Entrances) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.openConfigured('greeter', {
      handler: { http: (_request, response) => void response.end('hello') },
    });
    await this.entrances.openConfigured('greeter.coap', {
      handler: { stream: greet },
    });
  }
}

function greet({ socket, draining }: Connection): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', () => socket.write(csm));
  draining.addEventListener('abort', () => socket.end());
}

@Module({ imports: [EntranceModule], providers: [GreeterEntrances] })
class GreeterModule {}

const module: DynamicModule = { module: GreeterModule };

export const greeter: ServiceDefinition = { name: 'greeter', needs: { mqtt: true, rpc: true }, module: () => module };
