/*
 * An outage as users meet it: Redis freezes, goes on, dies, comes back with its old data and comes back empty, while people
 * read and write through an Express app and a Koa app in another process. Ends with 1 if one of them would have noticed.
 *
 * What the machine does besides makes answers late as well. So the same apps run once more, with a Redis that is left
 * alone, and the same is asked of them at the same time: late is what is later than there, and where answers are late there
 * too, times say nothing of the outage.
 *
 * This file is run once for the story, and once for each of the two processes.
 *
 *   --short   less than half the time in each phase
 */

if (process.argv[2] === 'apps') await import('./outage/apps.js')
else await import('./outage/story.js')

export {}
