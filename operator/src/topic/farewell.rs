//! A Topic that is being deleted: whether its topic goes with it, and when the finalizer lets go. A
//! namespace must never hang on a cluster that is gone.

use millrace_crds::DeletionPolicy;

/// What is known when a Topic is being deleted.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// What the spec says; `None` when the spec cannot be read.
    pub policy: Option<DeletionPolicy>,
    /// The operator is to leave the topic alone.
    pub paused: bool,
    /// The cluster is there, and stays.
    pub cluster_stays: bool,
    /// The resource has the topic: the cluster lets its namespace in, and no other one is before it.
    pub owns: bool,
    /// The operator brought the topic to the spec at least once.
    pub managed: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Delete the topic, then let go.
    DeleteTopic,
    /// Let go; why, for the log.
    LetGo(&'static str),
}

/// Decides. Pure.
#[must_use]
pub fn farewell(circumstances: Circumstances) -> Farewell {
    match circumstances {
        Circumstances { policy: None, .. } => Farewell::LetGo("its spec cannot be read"),
        Circumstances { policy: Some(DeletionPolicy::Retain), .. } => {
            Farewell::LetGo("the topic is retained")
        }
        Circumstances { paused: true, .. } => Farewell::LetGo("it is paused"),
        Circumstances { cluster_stays: false, .. } => Farewell::LetGo("its cluster is gone or going"),
        Circumstances { owns: false, .. } => {
            Farewell::LetGo("another resource has the topic, or the cluster does not let this one in")
        }
        Circumstances { managed: false, .. } => Farewell::LetGo("the topic was never managed"),
        Circumstances { policy: Some(DeletionPolicy::Delete), .. } => Farewell::DeleteTopic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Circumstances = Circumstances {
        policy: Some(DeletionPolicy::Delete),
        paused: false,
        cluster_stays: true,
        owns: true,
        managed: true,
    };

    #[test]
    fn the_topic_goes_with_its_resource_and_only_then() {
        assert_eq!(farewell(USUAL), Farewell::DeleteTopic);
        let exceptions = [
            Circumstances { policy: Some(DeletionPolicy::Retain), ..USUAL },
            Circumstances { policy: None, ..USUAL },
            Circumstances { paused: true, ..USUAL },
            Circumstances { cluster_stays: false, ..USUAL },
            Circumstances { owns: false, ..USUAL },
            Circumstances { managed: false, ..USUAL },
        ];
        for circumstances in exceptions {
            assert!(matches!(farewell(circumstances), Farewell::LetGo(_)), "{circumstances:?}");
        }
    }
}
