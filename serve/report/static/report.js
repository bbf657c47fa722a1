// The one script of a report: its only timeline comes alive.
import { mountTimeline } from "./timeline.js";

mountTimeline(document.querySelector(".timeline"));
