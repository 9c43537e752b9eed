// The playground.

import { bindAction } from "./action.js";
import { bindNearest } from "./nearest.js";
import { bindPose } from "./pose.js";

bindPose(document.querySelector("#pose"));
bindAction(document.querySelector("#action"));
bindNearest(document.querySelector("#nearest"));
