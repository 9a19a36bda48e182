import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { FileTransferEntrance } from './file-transfer-entrance.js';

/** Wiring of the agent. */
@Module({ imports: [EntranceModule], providers: [FileTransferEntrance] })
export class AgentModule {}
