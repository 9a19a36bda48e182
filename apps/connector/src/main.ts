import { runService } from '@sallyport/runtime';
import { connector } from './service.js';

await runService(connector);
