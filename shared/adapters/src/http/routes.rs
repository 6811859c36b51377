//! The routes of the API: which request goes to which function.

macro_rules! routes {
    ($($(#[$doc:meta])* $route:ident: $method:literal $path:literal in $function:literal,)+) => {
        /// A route of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Route {
            $($(#[$doc])* $route,)+
        }

        impl Route {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$route,)+];

            /// Its HTTP method.
            #[must_use]
            pub fn method(self) -> &'static str {
                match self {
                    $(Self::$route => $method,)+
                }
            }

            /// Its path, as API Gateway writes it: `{name+}` stands for the rest of a path.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$route => $path,)+
                }
            }

            /// The function that answers it: its folder under `functions`.
            #[must_use]
            pub fn function(self) -> &'static str {
                match self {
                    $(Self::$route => $function,)+
                }
            }
        }
    };
}

routes! {
    /// Binds a line to a batch, or puts it on a queue.
    Allocate: "POST" "/allocate" in "allocate",
    /// Adds a batch.
    CreateBatch: "POST" "/batches" in "batches",
    /// Shows the batches that an order's lines are on.
    ViewAllocations: "GET" "/allocations/{orderid+}" in "allocations-view",
}
