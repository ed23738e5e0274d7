//! Two of everything: that of the old application, and that of the new one.

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The WSGI application.
    Old,
    /// The ASGI application.
    New,
}

/// Both, in this order.
pub const EACH: [Which; 2] = [Which::Old, Which::New];

impl Which {
    /// `old` or `new`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// `wsgi` or `asgi`.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Old => "wsgi",
            Self::New => "asgi",
        }
    }
}

/// Something of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Of the old application.
    pub old: T,
    /// Of the new one.
    pub new: T,
}

impl<T> Both<T> {
    /// Made for each.
    pub fn of(make: impl Fn(Which) -> T) -> Self {
        Self { old: make(Which::Old), new: make(Which::New) }
    }

    /// One of them.
    pub fn get(&self, which: Which) -> &T {
        match which {
            Which::Old => &self.old,
            Which::New => &self.new,
        }
    }

    /// One of them.
    pub fn get_mut(&mut self, which: Which) -> &mut T {
        match which {
            Which::Old => &mut self.old,
            Which::New => &mut self.new,
        }
    }
}
