//! Without a mouse.

use crate::views::lamps;
use crate::world::{With, World};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const DOWN: &str = "\u{e015}";

/// What has the focus, by its text or its label, and whether that can be seen.
async fn focused(world: &World) -> (String, bool) {
    let script = "const one = document.activeElement; const style = getComputedStyle(one);
        return [one.labels?.[0]?.textContent ?? one.textContent.trim(), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]";
    let found = world.browser.run(script).await;
    (found[0].as_str().unwrap().to_owned(), found[1].as_bool().unwrap())
}

pub(crate) async fn all_is_reached_without_a_mouse(world: &mut World) {
    lamps(world);
    world.open(With::Write, "").await;
    world.browser.press(TAB).await;
    assert_eq!(focused(world).await, ("Skip to the content".to_owned(), true));
    world.browser.press(TAB).await;
    assert_eq!(focused(world).await.0, "The desk");
    world.browser.press(TAB).await;
    assert_eq!(focused(world).await, ("Look up".to_owned(), true));
    // An order instead of a product, and back.
    world.browser.press(&format!("{DOWN}\u{e013}")).await;
    world.browser.press(TAB).await;
    assert_eq!(focused(world).await, ("its name".to_owned(), true));
    world.browser.press(&format!("LAMP{ENTER}")).await;
    world.browser.shows("4 batches in all").await;
    world.is_there().await;
    assert_eq!(focused(world).await.0, "Product LAMP");

    // Every stop from the heading on can be seen, and the last one is followed by none: there is no trap.
    let mut stops = Vec::new();
    for _ in 0..60 {
        world.browser.press(TAB).await;
        if world.browser.run("return document.activeElement === document.body").await == true {
            break;
        }
        let (name, is_seen) = focused(world).await;
        assert!(is_seen, "{name}");
        stops.push(name);
    }
    assert!(stops.len() < 60, "a trap: {stops:?}");
    for wanted in ["The same as a table", "b1", "b4", "o9", "Add a batch", "Allocate a line"] {
        assert!(stops.iter().any(|stop| stop == wanted), "{wanted} of {stops:?}");
    }
}

pub(crate) async fn the_focus_moves_to_the_new_heading(world: &mut World) {
    lamps(world);
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.run("[...document.querySelectorAll('main a')].find((one) => one.textContent === 'o9').focus()").await;
    world.browser.press(ENTER).await;
    world
        .browser
        .until("document.activeElement.tagName === 'H1' && document.activeElement.textContent === 'Order o9'")
        .await;
    // The skip link leads into the view, and leaves the address as it is.
    world.browser.run("document.getElementById('skip').focus()").await;
    world.browser.press(ENTER).await;
    world.browser.until("document.activeElement.id === 'main'").await;
    assert_eq!(world.browser.run("return location.hash").await, "#/orders/o9");
}
