import { runService } from '@sallyport/runtime';
import { agent } from './service.js';

await runService(agent);
