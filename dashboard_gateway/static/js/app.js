// What every page does. Each module has one job; none needs a build step.
import { startAges } from "./ages.js";
import { startBoxes } from "./boxes.js";
import { startCopying } from "./copy.js";
import { startDetail } from "./detail.js";
import { startHelp } from "./help.js";
import { startMenus } from "./menus.js";
import { startMoving } from "./moving.js";
import { startPreferences } from "./preferences.js";

startPreferences();
startAges();
startBoxes();
startMenus();
startCopying();
startHelp();
startMoving();
startDetail();
